package mesh

import "encoding/json"

// JSONSchema gives the JSON Schema (draft 2020-12) of one document of a manifest, for completion
// and checking in editors. It knows what each document alone may hold; Parse knows the rest.
func JSONSchema() []byte {
	defs := schema{}
	for _, s := range shapes() {
		defs[s.def] = s.schema()
	}
	has := func(key string) schema { return schema{"required": []string{key}} }
	root := schema{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       "Tributary manifest",
		"description": "A document of a mesh's manifest: the header, a system or an entity.",
		"type":        "object",
		"if":          has("entity"),
		"then":        ref(entityShape()),
		"else": schema{
			"if":   has("system"),
			"then": ref(systemShape()),
			"else": ref(headerShape()),
		},
		"$defs": defs,
	}
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil // never: the schema holds only maps, lists, strings, numbers and flags
	}
	return append(text, '\n')
}

// shapes lists every object of the manifest.
func shapes() []shape {
	return []shape{headerShape(), kafkaShape(), saslShape(), registryShape(), viewsShape(), analyticsShape(), topicsShape(), addrsShape(),
		systemShape(), streamShape(), entityShape(), fieldShape(), freshnessShape(), relationShape(), contributionShape()}
}

// schema gives the JSON Schema of a shape.
func (s shape) schema() schema {
	properties := schema{}
	required := []string{}
	for _, k := range s.keys {
		p := schema{"description": k.doc}
		for name, v := range k.value {
			p[name] = v
		}
		properties[k.name] = p
		if k.required {
			required = append(required, k.name)
		}
	}
	return schema{"type": "object", "description": s.doc, "properties": properties, "required": required, "additionalProperties": false}
}
