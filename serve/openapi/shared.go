package openapi

import "sort"

// sharedSchemas are the schemas that every mesh has.
func sharedSchemas() object {
	state := oneOf(stateNames()...)
	through := object{"type": []string{"string", "null"}, "format": "date-time"}
	number := object{"type": []string{"integer", "null"}, "format": "int64"}
	optional := object{"type": []string{"string", "null"}}
	stream := record(object{"name": text("system.stream"), "verifiedThrough": through, "state": state})
	provenance := record(object{
		"name": text("The field"), "locale": optional, "system": optional, "stream": optional, "sourceKey": optional,
		"rule": text("The survivorship rule"), "changedAt": through, "conflict": object{"type": "boolean"},
	})
	lag := record(object{"records": number, "bytes": number, "ms": number})
	count := formatted("integer", "int64")
	common := func(more object) object {
		all := object{"name": object{"type": "string"}, "state": state, "verifiedThrough": through, "stalenessMs": number, "lag": ref("Lag"), "deadLetters": count}
		for k, v := range more {
			all[k] = v
		}
		return record(all)
	}
	return object{
		"Meta": record(object{
			"version": text("Rises with every change"), "verifiedThrough": through, "stalenessMs": number, "state": state,
			"deadLetters": count, "streams": arrayOf(ref("StreamFreshness")), "fields": arrayOf(ref("FieldProvenance")),
		}),
		"StreamFreshness": stream, "FieldProvenance": provenance, "Lag": lag,
		"StreamStatus": common(object{"downSince": through, "reason": optional, "snapshot": nullable(ref("Snapshot")), "position": optional, "captured": number, "errors": number}),
		"Snapshot":     record(object{"state": oneOf("running", "done"), "epoch": count, "rows": count, "estimate": number}),
		"ViewStatus":   common(object{"rows": number, "incomplete": number, "conflicts": number}),
		"Broker":       record(object{"records": count, "limit": count}),
		"Status":       record(object{"mesh": object{"type": "string"}, "broker": nullable(ref("Broker")), "streams": arrayOf(ref("StreamStatus")), "views": arrayOf(ref("ViewStatus"))}),
		"Problem": object{"type": "object", "required": []string{"type", "title", "status", "detail"}, "properties": object{
			"type": formatted("string", "uri"), "title": object{"type": "string"}, "status": object{"type": "integer"},
			"detail": text("What was wrong and what to do"), "parameter": text("The query parameter at fault"),
			"allowed": arrayOf(object{"type": "string"}),
		}},
	}
}

// record is an object whose members are always there.
func record(properties object) object {
	required := make([]string, 0, len(properties))
	for name := range properties {
		required = append(required, name)
	}
	sort.Strings(required)
	return object{"type": "object", "properties": properties, "required": required}
}
