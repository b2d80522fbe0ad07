package normalize

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
	"tributary/schemas"
)

// tributaryEnvelope is what ingest/postgres writes; columns are fields of the row's record.
func tributaryEnvelope(columns ...string) string {
	return `{"type":"record","name":"Envelope","namespace":"acme.raw.erp.material","fields":[
	{"name":"before","type":["null",{"type":"record","name":"Value","fields":[` + strings.Join(columns, ",") + `]}],"default":null},
	{"name":"after","type":["null","Value"],"default":null},
	{"name":"source","type":{"type":"record","name":"Source","namespace":"io.debezium.connector.postgresql","fields":[
		{"name":"version","type":"string"},{"name":"connector","type":"string"},{"name":"name","type":"string"},
		{"name":"ts_ms","type":"long"},{"name":"snapshot","type":["null","string"],"default":null},{"name":"db","type":"string"},
		{"name":"sequence","type":["null","string"],"default":null},{"name":"ts_us","type":["null","long"],"default":null},
		{"name":"ts_ns","type":["null","long"],"default":null},{"name":"schema","type":"string"},{"name":"table","type":"string"},
		{"name":"txId","type":["null","long"],"default":null},{"name":"lsn","type":["null","long"],"default":null}]}},
	{"name":"transaction","type":["null",{"type":"record","name":"block","namespace":"event","fields":[
		{"name":"id","type":"string"},{"name":"total_order","type":"long"},{"name":"data_collection_order","type":"long"}]}],"default":null},
	{"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null},
	{"name":"ts_us","type":["null","long"],"default":null},{"name":"ts_ns","type":["null","long"],"default":null}]}`
}

// olderEnvelope is laid out as other Debezium connectors may: another order, no ts_us, more
// fields, no before, a txId that is no number.
const olderEnvelope = `{"type":"record","name":"Envelope","fields":[
	{"name":"op","type":"string"},
	{"name":"extra","type":{"type":"array","items":{"type":"map","values":["null","double","boolean"]}}},
	{"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"txId","type":["null","string"]},{"name":"ts_ms","type":"long"}]}},
	{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["a","b"]}},
	{"name":"after","type":{"type":"record","name":"Value","fields":[{"name":"id","type":"int"},
		{"name":"tags","type":["null",{"type":"array","items":["null","string"]},"string"]}]}}]}`

func marshalAvro(t testing.TB, schema string, v any) []byte {
	t.Helper()
	s, err := avro.ParseWithCache(schema, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	body, err := avro.Config{}.Freeze().Marshal(s, v) // a cache of its own: records of one name differ between tests
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sourceMicros is the commit time of every envelope: 2023-11-14T22:13:20.123456Z.
const sourceMicros = 1700000000123456

func sourceBlock(micros int64) map[string]any {
	return map[string]any{"version": "1", "connector": "postgresql", "name": "acme", "ts_ms": micros / 1000, "snapshot": nil, "db": "erp",
		"sequence": nil, "ts_us": micros, "ts_ns": nil, "schema": "public", "table": "mara", "txId": int64(77), "lsn": nil}
}

func envelopeOf(op string, before, after any) map[string]any {
	union := func(row any) any {
		if row == nil {
			return nil
		}
		return map[string]any{"acme.raw.erp.material.Value": row}
	}
	return map[string]any{"before": union(before), "after": union(after), "source": sourceBlock(sourceMicros), "op": op, "ts_ms": nil, "ts_us": nil,
		"ts_ns": nil, "transaction": map[string]any{"event.block": map[string]any{"id": "77:1", "total_order": int64(1), "data_collection_order": int64(2)}}}
}

func TestReadEnvelope(t *testing.T) {
	schema := tributaryEnvelope(`{"name":"id","type":"long"}`,
		`{"name":"odd_name","type":["null","string"],"default":null,"tributary.column":"odd name","tributary.type":"text"}`)
	reader, err := CompileEnvelope(schema)
	if err != nil {
		t.Fatal(err)
	}
	if c := reader.Columns; len(c) != 2 || c[0].Name != "id" || c[1].Name != "odd name" || c[1].Type != "text" {
		t.Fatalf("columns %+v", c)
	}
	var env Envelope
	for _, c := range []struct {
		op            string
		before, after any
		want          string
	}{
		{"c", nil, map[string]any{"id": int64(7), "odd_name": "x"}, "[] [0e 0278]"},
		{"u", map[string]any{"id": int64(7), "odd_name": nil}, map[string]any{"id": int64(8), "odd_name": ""}, "[0e null] [10 00]"},
		{"d", map[string]any{"id": int64(7), "odd_name": nil}, nil, "[0e null] []"},
	} {
		body := marshalAvro(t, schema, envelopeOf(c.op, c.before, c.after))
		if err := reader.Read(body, &env); err != nil {
			t.Fatal(err)
		}
		if env.Op != c.op[0] || env.CommitTime != sourceMicros || env.TxID != 77 {
			t.Errorf("read op %c, commit %d, tx %d", env.Op, env.CommitTime, env.TxID)
		}
		if got := fmt.Sprint(hexRow(env.Before), " ", hexRow(env.After)); got != c.want {
			t.Errorf("op %s: got %s, want %s", c.op, got, c.want)
		}
		for i := range body {
			if err := reader.Read(body[:i], &env); !errors.Is(err, schemas.ErrShort) {
				t.Fatalf("a body cut to %d bytes: %v", i, err)
			}
		}
	}
}

func hexRow(row []Column) []string {
	out := []string{}
	for _, c := range row {
		if c.Value == nil {
			out = append(out, "null")
		} else {
			out = append(out, fmt.Sprintf("%x", c.Value))
		}
	}
	return out
}

func TestReadEnvelopeOfAnotherLayout(t *testing.T) {
	reader, err := CompileEnvelope(olderEnvelope)
	if err != nil {
		t.Fatal(err)
	}
	var env Envelope
	body := marshalAvro(t, olderEnvelope, map[string]any{"op": "r", "kind": "b", "extra": []any{map[string]any{"k": true}, map[string]any{}},
		"source": map[string]any{"txId": "gtid", "ts_ms": int64(5)}, "after": map[string]any{"id": 3, "tags": "{{1}}"}})
	if err := reader.Read(body, &env); err != nil {
		t.Fatal(err)
	}
	if env.CommitTime != 5000 || env.TxID != 0 || env.Before != nil || env.After[1].Branch != 2 || string(env.After[1].Value[1:]) != "{{1}}" {
		t.Errorf("read %+v", env)
	}
}

func TestCompileEnvelopeRefuses(t *testing.T) {
	for schema, want := range map[string]string{
		`{`:      "not Avro",
		`"long"`: "a record was expected",
		`{"type":"record","name":"E","fields":[{"name":"op","type":"string"}]}`:          "no field after",
		strings.Replace(olderEnvelope, `"ts_ms"`, `"ts"`, 1):                             "commit time is unknown",
		strings.Replace(olderEnvelope, `"int"`, `["null","Value"]`, 1):                   "recursive",
		strings.Replace(olderEnvelope, `"items":["null","string"]`, `"items":"null"`, 1): "holds nothing",
	} {
		if _, err := CompileEnvelope(schema); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", schema, err, want)
		}
	}
}

// FuzzReadEnvelope: no body may make the reader panic or read beyond it.
func FuzzReadEnvelope(f *testing.F) {
	reader, err := CompileEnvelope(olderEnvelope)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(marshalAvro(f, olderEnvelope, map[string]any{"op": "r", "kind": "b", "extra": []any{map[string]any{"k": true}},
		"source": map[string]any{"txId": nil, "ts_ms": int64(5)}, "after": map[string]any{"id": 3, "tags": map[string]any{"array": []any{"a", nil}}}}))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var env Envelope
		_ = reader.Read(body, &env)
	})
}

// BenchmarkReadEnvelope reads a row of 10 columns.
func BenchmarkReadEnvelope(b *testing.B) {
	reader, body := wideRow(b)
	var env Envelope
	b.ReportAllocs()
	for b.Loop() {
		if err := reader.Read(body, &env); err != nil {
			b.Fatal(err)
		}
	}
}

func wideRow(t testing.TB) (*EnvelopeReader, []byte) {
	var columns []string
	row := map[string]any{}
	for i := range 10 {
		name := fmt.Sprintf("c%d", i)
		columns = append(columns, fmt.Sprintf(`{"name":"%s","type":["null","string"],"default":null}`, name))
		row[name] = fmt.Sprintf("%d.50", i)
	}
	schema := tributaryEnvelope(columns...)
	reader, err := CompileEnvelope(schema)
	if err != nil {
		t.Fatal(err)
	}
	return reader, marshalAvro(t, schema, envelopeOf("u", nil, row))
}
