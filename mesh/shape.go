package mesh

// A shape lists the keys of one object of the manifest. The loader refuses what its shape does
// not list and JSONSchema describes what it lists, so the two cannot disagree.
type shape struct {
	name string // as faults call it: "a system"
	def  string // its name in the JSON Schema
	doc  string
	keys []key
}

// A key is one entry of a shape; value is the JSON Schema of what stands behind it.
type key struct {
	name, doc string
	value     schema
	required  bool
}

// schema is a JSON Schema, ready for json.Marshal.
type schema = map[string]any

// names lists a shape's keys.
func (s shape) names() []string {
	names := make([]string, len(s.keys))
	for i, k := range s.keys {
		names[i] = k.name
	}
	return names
}

// need makes a key required.
func need(k key) key { k.required = true; return k }

func text() schema                   { return schema{"type": "string", "minLength": 1} }
func matching(pattern string) schema { return schema{"type": "string", "pattern": pattern} }
func choice(values ...string) schema { return schema{"enum": values} }
func flag() schema                   { return schema{"type": "boolean"} }
func ref(s shape) schema             { return schema{"$ref": "#/$defs/" + s.def} }
func listOf(item schema) schema      { return schema{"type": "array", "items": item, "minItems": 1} }
func name() schema                   { return matching(namePattern.String()) }
func duration() schema {
	return schema{"type": "string", "minLength": 2, "pattern": `^(\d+d)?((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*$`}
}
func addr() schema       { return matching(`^.*:\d+$|\$\{`) }
func expression() schema { return schema{"type": []string{"string", "number", "boolean"}} }
func mapOf(keys, value schema) schema {
	return schema{"type": "object", "propertyNames": keys, "additionalProperties": value}
}
