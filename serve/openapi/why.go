package openapi

import "tributary/serve/catalog"

// whyOperation describes /v1/_why/{entity}/{id}.
func whyOperation(c *catalog.Catalog) object {
	var names []string
	for _, e := range c.Entities {
		names = append(names, e.Entity.Name)
	}
	path := func(name, description string, schema object) object {
		return object{"name": name, "in": "path", "required": true, "description": description, "schema": schema}
	}
	query := func(name, description string) object {
		return object{"name": name, "in": "query", "description": description, "schema": object{"type": "string"}}
	}
	entity := object{"type": "string"}
	if len(names) > 0 {
		entity = oneOf(names...)
	}
	return object{
		"operationId": "why", "summary": "Why an entity has its values", "tags": []string{"status"},
		"description": "Where each value comes from: the source row that won, those that lost and why, and rows that lie in the dead letters.",
		"parameters": []object{
			path("entity", "The entity's name", entity), path("id", "Its id", object{"type": "string"}),
			query("field", "Only this field"), query("locale", "Only this locale of a localized field"),
		},
		"responses": object{
			"200": jsonResponse("Where each value comes from", ref("Why"), nil),
			"400": refTo("responses", "Problem"), "404": refTo("responses", "Problem"), "default": refTo("responses", "Problem"),
		},
	}
}

// addWhySchemas adds the schemas of why's answer.
func addWhySchemas(schemas object) {
	at := formatted("string", "date-time")
	count := formatted("integer", "int64")
	row := record(object{
		"system": text("The system"), "stream": text("system.stream"), "sourceKey": text("The key of the source row"),
		"position": text("Where the row's last change stands in its stream"), "sourceTime": at, "commitTime": at,
		"txId": object{"type": []string{"integer", "null"}, "format": "int64", "description": "The source's transaction"},
	})
	add(row, "value", anything("What the row says; absent of an aggregate's inputs"))
	add(row, "reason", text("Why it lost"))
	field := record(object{
		"entity": text("The entity"), "id": text("Its id"), "field": text("The field, as the manifest writes it"),
		"value": anything("The value in the view"), "rule": text("The survivorship rule"),
		"winner": nullable(ref("SourceRow")), "losers": arrayOf(ref("SourceRow")),
		"override": anything("What an operator set in its place; null: nothing"), "conflict": object{"type": "boolean"},
	})
	add(field, "locale", text("Of a localized field"))
	add(field, "loserCount", count)
	add(field, "inputs", arrayOf(ref("SourceRow")))
	add(field, "inputCount", count)
	add(field, "because", text("The rule in words"))
	schemas["SourceRow"], schemas["WhyField"] = row, field
	schemas["HeldRow"] = record(object{"system": text("The system"), "stream": text("system.stream"), "sourceKey": text("The key of the source row"),
		"deadLetter": text("Its id among the dead letters"), "time": at})
	schemas["Why"] = record(object{"entity": text("The entity"), "id": text("Its id"), "version": text("Rises with every change"),
		"state": oneOf(stateNames()...), "verifiedThrough": object{"type": []string{"string", "null"}, "format": "date-time"},
		"stalenessMs": object{"type": []string{"integer", "null"}, "format": "int64"},
		"held":        arrayOf(ref("HeldRow")), "fields": arrayOf(ref("WhyField"))})
}

// anything is a value of any type, null too.
func anything(description string) object {
	return object{"description": description, "anyOf": []object{{}, {"type": "null"}}}
}

// add adds a member that need not be there.
func add(schema object, name string, member object) { schema["properties"].(object)[name] = member }
