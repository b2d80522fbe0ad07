package conformance

import (
	"errors"
	"math"
	"testing"

	"tributary/mesh"
	"tributary/sinks/views"
)

// everyType is an entity with a field of each type, each named as its kind.
func everyType() *mesh.Entity {
	types := map[string]mesh.Type{
		"int": {Kind: mesh.Int}, "float": {Kind: mesh.Float}, "bool": {Kind: mesh.Bool},
		"decimal": {Kind: mesh.Decimal, Precision: 12, Scale: 2}, "wide": {Kind: mesh.Decimal, Precision: 38, Scale: 4},
		"whole":     {Kind: mesh.Decimal, Precision: 18},
		"timestamp": {Kind: mesh.Timestamp}, "date": {Kind: mesh.Date}, "uuid": {Kind: mesh.UUID},
		"json": {Kind: mesh.JSON}, "bytes": {Kind: mesh.Bytes}, "enum": {Kind: mesh.Enum, Symbols: []string{"new", "used"}},
		"string": {Kind: mesh.String}, "list": {Kind: mesh.List, Elem: &mesh.Type{Kind: mesh.Decimal, Precision: 9, Scale: 1}},
		"nested": {Kind: mesh.List, Elem: &mesh.Type{Kind: mesh.List, Elem: &mesh.Type{Kind: mesh.String}}},
	}
	e := &mesh.Entity{Name: "thing", Plural: "things", Key: "id", Fields: []*mesh.Field{field("id", mesh.Type{Kind: mesh.String})}}
	for _, name := range []string{"string", "int", "float", "bool", "decimal", "whole", "wide", "timestamp", "date", "uuid", "json", "bytes", "enum", "list", "nested"} {
		e.Fields = append(e.Fields, field(name, types[name]))
	}
	return e
}

// testTypes reads every type back as the JSON of answers (architecture, section 8).
func testTypes(t *testing.T, f *fixture) {
	e := everyType()
	f.define(e)
	for _, c := range []struct {
		field string
		value value
		want  string
	}{
		{"string", "", `""`}, {"string", "a\"b\\c\n\t\r\x01ä€😀", `"a\"b\\c\n\t\r\u0001ä€😀"`},
		{"int", int64(0), `0`}, {"int", int64(-1), `-1`}, {"int", int64(1 << 53), `9007199254740992`},
		{"int", int64(1<<53 + 1), `"9007199254740993"`}, {"int", int64(math.MinInt64), `"-9223372036854775808"`},
		{"float", 0.1, `0.1`}, {"float", -2.0, `-2`}, {"float", 1e300, `1e+300`}, {"float", 5e-324, `5e-324`},
		{"float", math.NaN(), `"NaN"`}, {"float", math.Inf(1), `"Infinity"`}, {"float", math.Inf(-1), `"-Infinity"`},
		{"bool", true, `true`}, {"bool", false, `false`},
		{"decimal", "0", `"0.00"`}, {"decimal", "9.5", `"9.50"`}, {"decimal", "-0.05", `"-0.05"`},
		{"decimal", "9999999999.99", `"9999999999.99"`}, {"decimal", "-9999999999.99", `"-9999999999.99"`},
		{"whole", "999999999999999999", `"999999999999999999"`}, {"whole", "-1", `"-1"`},
		{"wide", "0", `"0.0000"`}, {"wide", "-0.0001", `"-0.0001"`}, {"wide", "12.5", `"12.5000"`},
		{"wide", "9999999999999999999999999999999999.9999", `"9999999999999999999999999999999999.9999"`},
		{"wide", "-9999999999999999999999999999999999.9999", `"-9999999999999999999999999999999999.9999"`},
		{"timestamp", "2026-01-31T12:00:00Z", `"2026-01-31T12:00:00Z"`},
		{"timestamp", "1969-12-31T23:59:59.999999Z", `"1969-12-31T23:59:59.999999Z"`},
		{"timestamp", "2026-01-31T12:00:00.120Z", `"2026-01-31T12:00:00.12Z"`},
		{"timestamp", "infinity", `"infinity"`}, {"date", "-infinity", `"-infinity"`}, {"timestamp", "0044-03-15 12:00:00 BC", `"-000043-03-15T12:00:00Z"`},
		{"date", "2024-02-29", `"2024-02-29"`}, {"date", "1969-12-31", `"1969-12-31"`}, {"date", "0001-01-01", `"0001-01-01"`},
		{"uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", `"6ba7b810-9dad-11d1-80b4-00c04fd430c8"`},
		{"json", "{\"a\": [1, \"x y\"],\n\"b\": null}", `{"a":[1,"x y"],"b":null}`}, {"json", "12345678901234567890.5", `12345678901234567890.5`},
		{"bytes", "", `""`}, {"bytes", "AP/+", `"AP/+"`},
		{"enum", "used", `"used"`},
		{"list", []value{}, `[]`}, {"list", []value{"1.5", "-2"}, `["1.5","-2.0"]`},
		{"nested", []value{[]value{"a"}, []value{}}, `[["a"],[]]`},
	} {
		f.insert(e, map[string]value{"id": "x", c.field: c.value})
		f.expect(f.rows(&views.Query{Entity: e, Select: all(e, c.field)}), `{"`+c.field+`":`+c.want+`}`)
	}
	f.insert(e, map[string]value{"id": "x"})
	f.expect(f.rows(&views.Query{Entity: e, Select: append(all(e, "wide", "float", "list"), views.Item{As: "__typename", Literal: "Th\"ing"})}),
		`{"wide":null,"float":null,"list":null,"__typename":"Th\"ing"}`)
	f.expect(f.rows(&views.Query{Entity: e}), `{}`)
}

// testBadValue gives a store values that are not of their type: nothing of the batch is kept.
func testBadValue(t *testing.T, f *fixture) {
	e := everyType()
	f.define(e)
	for _, c := range []struct {
		field string
		avro  []byte
	}{
		{"string", []byte{20, 'a'}}, {"string", []byte{2, 'a', 'b'}}, {"float", []byte{1}}, {"json", []byte{2, '{'}},
		{"decimal", []byte{18, 1, 1, 1, 1, 1, 1, 1, 1, 1}}, {"list", []byte{4, 2, 1}},
	} {
		good, bad := f.row(e, map[string]value{"id": "good"}), f.row(e, map[string]value{"id": "bad"})
		for i, field := range e.Fields {
			if field.Name == c.field {
				bad.Values[i] = c.avro
			}
		}
		err := f.store.Apply(t.Context(), views.Batch{Entity: e, Rows: []views.Row{good, bad}, Offsets: []views.Offset{{Topic: "t", Next: 1}}})
		if !errors.Is(err, views.ErrValue) {
			t.Errorf("%s as % x: got %v, want ErrValue", c.field, c.avro, err)
		}
	}
	short := f.row(e, map[string]value{"id": "short"})
	short.Values = short.Values[:3]
	if err := f.store.Apply(t.Context(), views.Batch{Entity: e, Rows: []views.Row{short}}); !errors.Is(err, views.ErrValue) {
		t.Errorf("a row with too few values: got %v, want ErrValue", err)
	}
	f.expect(f.rows(&views.Query{Entity: e, Select: all(e, "id")}))
	p, err := f.store.Progress(t.Context(), e.Name)
	if err != nil || len(p.Offsets) > 0 {
		t.Errorf("offsets of batches that failed: %v, %v", p.Offsets, err)
	}
}
