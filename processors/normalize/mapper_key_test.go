package normalize

import (
	"errors"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/schemas"
)

func keySchema(fields ...string) string {
	return `{"type":"record","name":"Key","namespace":"acme.raw.erp.material","fields":[` + strings.Join(fields, ",") + `]}`
}

func TestSourceKey(t *testing.T) {
	const id = `{"name":"id","type":"long"}`
	const name = `{"name":"name","type":["null","string"],"default":null}`
	for _, c := range []struct {
		schema string
		row    map[string]any
		want   string
	}{
		{keySchema(id), map[string]any{"id": int64(-12)}, "-12"},
		{keySchema(name), map[string]any{"name": `a "b"`}, `a "b"`},
		{keySchema(name), map[string]any{"name": nil}, ""},
		{keySchema(id, name), map[string]any{"id": int64(3), "name": `a "b"`}, `["3","a \"b\""]`},
		{keySchema(id, name), map[string]any{"id": int64(3), "name": nil}, `["3",null]`},
		{keySchema(`{"name":"raw","type":"bytes"}`), map[string]any{"raw": []byte{0, 255}}, `\x00ff`},
		{keySchema(`{"name":"day","type":{"type":"int","connect.name":"io.debezium.time.Date"}}`), map[string]any{"day": int32(0)}, "1970-01-01"},
		{keySchema(`{"name":"l","type":{"type":"array","items":["null","int"]}}`), map[string]any{"l": []any{1, nil}}, "[1,null]"},
	} {
		k, err := CompileKey(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		body := marshalAvro(t, c.schema, c.row)
		if got, err := k.SourceKey(body); err != nil || got != c.want {
			t.Errorf("%v: got %s (%v), want %s", c.row, got, err, c.want)
		}
		if _, err := k.SourceKey(body[:len(body)-1]); !errors.Is(err, schemas.ErrShort) {
			t.Errorf("%v cut short: %v", c.row, err)
		}
	}
	for _, bad := range []string{`"long"`, `{"type":"record","name":"K","fields":[]}`, `x`} {
		if _, err := CompileKey(bad); err == nil {
			t.Errorf("%s was taken for a key", bad)
		}
	}
}

// TestKeyMapper: where the id derives from the primary key, a delete finds it by the key alone.
func TestKeyMapper(t *testing.T) {
	const key = `{"name":"a","type":"string"}`
	optional, number := column{`["null","string"]`, "x"}, column{`"long"`, int64(4)}
	for _, c := range []struct {
		expr    string
		columns []column
		key     string
		row     map[string]any
		want    string
	}{
		{"row.a", []column{optional}, key, map[string]any{"a": "K"}, "K"},
		{"row.a + '-' + string(row.b)", []column{optional, number}, keySchemaFields(key, `{"name":"b","type":"long"}`), map[string]any{"a": "K", "b": int64(7)}, "K-7"},
		{"row.b", []column{optional, number}, key, map[string]any{"a": "K"}, "does not derive"},
		{"row.a", []column{optional}, `{"name":"a","type":"int"}`, map[string]any{"a": 1}, "does not derive"},
		{"row.a", []column{optional}, key, map[string]any{"a": ""}, "the key is empty"},
	} {
		m, _, err := mapColumns(t, product(mesh.Block{Key: c.expr}), c.columns...)
		if err != nil {
			t.Fatal(err)
		}
		k, err := CompileKey(keySchema(c.key))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if km, err := m.BindKey(k); err != nil {
			got = err.Error()
		} else if id, err := km.ID(marshalAvro(t, keySchema(c.key), c.row)); err != nil {
			got = err.Error()
		} else {
			got = string(id)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("key %s: got %s, want %s", c.expr, got, c.want)
		}
	}
}

func keySchemaFields(fields ...string) string { return strings.Join(fields, ",") }

func TestKeyFromPrimaryKey(t *testing.T) {
	m, _, err := mapColumns(t, product(mesh.Block{Key: "row.a + row.b"}), column{`"string"`, "x"}, column{`"string"`, "y"})
	if err != nil {
		t.Fatal(err)
	}
	if m.KeyFromPrimaryKey([]string{"a"}) || !m.KeyFromPrimaryKey([]string{"b", "c", "a"}) {
		t.Error("an id of a and b derives from keys that hold both")
	}
}
