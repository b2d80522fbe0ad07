package schemas

import (
	"encoding/json"

	"tributary/mesh"
)

// An EntityCodec encodes and decodes the records of one entity: contributions and views. It is
// compiled once from the manifest and safe for concurrent use.
type EntityCodec struct {
	Entity *mesh.Entity
	// KeyIndex is the index of the key field among Entity.Fields.
	KeyIndex int
	mesh     string
	skips    []skipper
}

// NewEntityCodec compiles the codec of an entity of a mesh.
func NewEntityCodec(meshName string, e *mesh.Entity) *EntityCodec {
	c := &EntityCodec{Entity: e, KeyIndex: -1, mesh: meshName}
	for i, f := range e.Fields {
		if f.Name == e.Key {
			c.KeyIndex = i
		}
		c.skips = append(c.skips, fieldSkipper(f))
	}
	return c
}

type object = map[string]any

func nullable(t any) object { return object{"type": []any{"null", t}, "default": nil} }

func fieldType(f *mesh.Field) any {
	if f.Localized {
		return object{"type": "map", "values": AvroType(f.Type)}
	}
	return AvroType(f.Type)
}

func named(name string, o object) object {
	o["name"] = name
	return o
}

func (c *EntityCodec) namespace() string { return c.mesh + "." + c.Entity.Name }

// schemaText marshals a schema; map keys are sorted, so the text is always the same.
func schemaText(schema object) string {
	b, err := json.Marshal(schema)
	if err != nil {
		panic("a schema made of strings, numbers and maps always marshals: " + err.Error())
	}
	return string(b)
}

func micros() object { return object{"type": "long", "logicalType": "timestamp-micros"} }

func position() object {
	return object{"type": "fixed", "name": "Position", "size": 32, "namespace": "tributary"}
}

// appendValues appends a union [null, T] for each value, nil being null.
func appendValues(dst []byte, values [][]byte) []byte {
	for _, v := range values {
		if v == nil {
			dst = append(dst, 0)
			continue
		}
		dst = append(append(dst, 2), v...)
	}
	return dst
}

// nonNil keeps an empty value apart from null.
func nonNil(v []byte) []byte {
	if v == nil {
		return []byte{}
	}
	return v
}

// readValue reads a union [null, T].
func (r *Reader) readValue(skip skipper) []byte {
	switch r.Long() {
	case 0:
		return nil
	case 1:
		return nonNil(r.span(skip))
	}
	r.fail()
	return nil
}
