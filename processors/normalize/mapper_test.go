package normalize

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/schemas"
)

// A column as a driver declares it, with a value for hamba's encoder.
type column struct {
	avro  string
	value any
}

func text(t, value string) column {
	return column{fmt.Sprintf(`["null",{"type":"string","tributary.type":%q}]`, t), value}
}

func named(connect, avro string, value any) column {
	return column{fmt.Sprintf(`{"type":%q,"connect.name":%q}`, avro, connect), value}
}

// mapColumns maps one row of the columns a, b, c… by the block's expressions.
func mapColumns(t testing.TB, e *mesh.Entity, columns ...column) (*Mapper, *Envelope, error) {
	t.Helper()
	var fields []string
	row := map[string]any{}
	for i, c := range columns {
		name := string(rune('a' + i))
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":%s}`, name, c.avro))
		row[name] = c.value
	}
	schema := tributaryEnvelope(fields...)
	reader, err := CompileEnvelope(schema)
	if err != nil {
		t.Fatal(err)
	}
	m, err := CompileMapper(schemas.NewEntityCodec("acme", e), e.Contributions[0], reader)
	if err != nil {
		return nil, nil, err
	}
	env := &Envelope{}
	if err := reader.Read(marshalAvro(t, schema, envelopeOf("u", nil, row)), env); err != nil {
		t.Fatal(err)
	}
	return m, env, nil
}

func product(block mesh.Block, fields ...*mesh.Field) *mesh.Entity {
	block.Name, block.From = "erp.material", &mesh.Stream{System: &mesh.System{Name: "erp"}, Name: "material"}
	if block.Key == "" {
		block.Key = "'K'"
	}
	block.KeyPos, block.WhenPos, block.AtPos = mesh.Pos{File: "m.yaml", Line: 7, Column: 3}, mesh.Pos{File: "m.yaml", Line: 8, Column: 3}, mesh.Pos{File: "m.yaml", Line: 9, Column: 3}
	key := &mesh.Field{Name: "sku", Type: mesh.Type{Kind: mesh.String}, Required: true}
	return &mesh.Entity{Name: "product", Key: "sku", Fields: append([]*mesh.Field{key}, fields...), Contributions: []*mesh.Block{&block}}
}

func typed(t testing.TB, s string) mesh.Type {
	t.Helper()
	typ, err := mesh.ParseType(s)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// TestConversions maps one column to one field. A want that begins with ! is a violation, with
// ? a fault of the manifest.
func TestConversions(t *testing.T) {
	decimal := column{`{"type":"bytes","logicalType":"decimal","precision":10,"scale":3}`, nil}
	array := func(items string, v any) column {
		return column{fmt.Sprintf(`["null",{"type":"array","items":["null",%s]},"string"]`, items), v}
	}
	for _, c := range []struct {
		from column
		to   string
		want string
	}{
		{text("text", "x y"), "string", `"x y"`},
		{text("text", ""), "string", `""`},
		{column{`["null","string"]`, nil}, "decimal(4,2)", "null"},
		{text("numeric(12,4)", "12.3400"), "decimal(12,2)", `"12.34"`},
		{text("numeric", "-1.5"), "decimal(38,38)", "!digits"},
		{text("numeric", "12.345"), "decimal(12,2)", `!"12.345" is not a value of type decimal(12,2)`},
		{text("numeric", "NaN"), "decimal(12,2)", "!decimal"},
		{text("numeric", "NaN"), "float", `"NaN"`},
		{text("numeric", "7.00"), "int", "7"},
		{text("numeric", "7.01"), "int", "!whole number"},
		{text("numeric", "7.50"), "string", `"7.50"`},
		{text("numeric", "7.50"), "bool", "?cannot take"},
		{text("text", "1e2"), "decimal(5,0)", `"100"`},
		{text("text", "abc"), "int", "!whole number"},
		{text("text", "A1B2C3D4-0000-4000-8000-00000000000F"), "uuid", `"a1b2c3d4-0000-4000-8000-00000000000f"`},
		{text("text", "zz"), "uuid", "!hex"},
		{text("text", "open"), "enum(open,paid)", `"open"`},
		{text("text", "Open"), "enum(open,paid)", "!one of open, paid"},
		{text("text", `{"a": 1}`), "json", `{"a":1}`},
		{text("text", `{`), "json", "!JSON"},
		{text("text", "x"), "list<string>", "?cannot take"},
		{column{`"int"`, int32(5)}, "int", "5"},
		{column{`"long"`, int64(5)}, "string", `"5"`},
		{column{`"long"`, int64(-5)}, "decimal(3,1)", `"-5.0"`},
		{column{`"long"`, int64(500)}, "decimal(3,1)", "!digits"},
		{column{`"long"`, int64(5)}, "float", "5"},
		{column{`"long"`, int64(5)}, "timestamp", "?cannot take"},
		{column{`"boolean"`, true}, "bool", "true"},
		{column{`"boolean"`, true}, "string", `"true"`},
		{column{`"boolean"`, true}, "int", "?cannot take"},
		{column{`"float"`, float32(0.1)}, "float", "0.1"},
		{column{`"double"`, 0.1}, "decimal(3,2)", `"0.10"`},
		{column{`"double"`, 2.5}, "int", "!whole number"},
		{column{`"double"`, 1e3}, "int", "1000"},
		{column{`"bytes"`, []byte{1, 2}}, "bytes", `"AQI="`},
		{column{`"bytes"`, []byte{1, 2}}, "string", "?cannot take"},
		{column{decimal.avro, ratOf("1.250")}, "decimal(5,2)", `"1.25"`},
		{column{decimal.avro, ratOf("1.255")}, "decimal(5,2)", "!scale"},
		{column{decimal.avro, ratOf("-3")}, "int", "-3"},
		{named("io.debezium.time.ZonedTimestamp", "string", "2026-01-02T03:04:05.5+01:00"), "timestamp", `"2026-01-02T02:04:05.5Z"`},
		{named("io.debezium.time.IsoTimestamp", "string", "infinity"), "timestamp", "!infinite"},
		{named("io.debezium.time.IsoDate", "string", "2026-01-02"), "date", `"2026-01-02"`},
		{named("io.debezium.time.IsoDate", "string", "2026-01-02"), "timestamp", `"2026-01-02T00:00:00Z"`},
		{named("io.debezium.time.IsoDate", "string", "-infinity"), "date", "!infinite"},
		{named("io.debezium.time.IsoTimestamp", "string", "2026-01-02T00:00:00"), "date", `"2026-01-02"`},
		{named("io.debezium.time.IsoTimestamp", "string", "2026-01-02T00:00:01"), "date", "!time of day"},
		{named("io.debezium.time.IsoTimestamp", "string", "2026-01-02T00:00:01"), "json", `"2026-01-02T00:00:01"`},
		{named("io.debezium.time.Timestamp", "long", int64(1500)), "timestamp", `"1970-01-01T00:00:01.5Z"`},
		{named("io.debezium.time.MicroTimestamp", "long", int64(schemas.TimestampInfinity)), "timestamp", "!infinite"},
		{named("io.debezium.time.NanoTimestamp", "long", int64(1_000_001_999)), "timestamp", `"1970-01-01T00:00:01.000001Z"`},
		{named("io.debezium.time.MicroTimestamp", "long", int64(1_000_001)), "string", `"1970-01-01T00:00:01.000001Z"`},
		{named("io.debezium.time.Date", "int", int32(1)), "date", `"1970-01-02"`},
		{named("io.debezium.time.Date", "int", int32(1)), "timestamp", `"1970-01-02T00:00:00Z"`},
		{column{`{"type":"enum","name":"Mood","symbols":["sad","ok"]}`, "ok"}, "string", `"ok"`},
		{array(`"string"`, map[string]any{"array": []any{"x", "y"}}), "list<string>", `["x","y"]`},
		{array(`"string"`, map[string]any{"array": []any{}}), "list<string>", `[]`},
		{array(`"string"`, map[string]any{"array": []any{"x", nil}}), "list<string>", "!holds a null"},
		{array(`"string"`, map[string]any{"array": []any{"x", nil}}), "json", `["x",null]`},
		{array(`"string"`, "{{1},{2}}"), "list<string>", "!dimension"},
		{array(`"int"`, map[string]any{"array": []any{int32(1)}}), "list<string>", `["1"]`},
		{array(`"int"`, map[string]any{"array": []any{int32(1)}}), "list<decimal(2,1)>", `["1.0"]`},
		{column{`{"type":"map","values":"string"}`, map[string]any{}}, "json", "?structure"},
	} {
		f := &mesh.Field{Name: "f", Type: typed(t, c.to)}
		e := product(mesh.Block{Set: []mesh.Assignment{{Field: "f", Expr: "row.a", Pos: mesh.Pos{File: "m.yaml", Line: 5, Column: 2}}}}, f)
		got := converted(t, e, c.from)
		if want, isError := strings.CutPrefix(c.want, got[:1]); (isError && strings.ContainsAny(got[:1], "!?") && strings.Contains(got, want)) || got == c.want {
			continue
		}
		t.Errorf("%s %v as %s: got %s, want %s", c.from.avro, c.from.value, c.to, got, c.want)
	}
}

func converted(t *testing.T, e *mesh.Entity, from column) string {
	t.Helper()
	m, env, err := mapColumns(t, e, from)
	if err != nil {
		return "?" + err.Error()
	}
	var out Mapped
	if err := m.Map(env, &out); err != nil {
		var v *Violation
		if !errors.As(err, &v) || v.Field != "f" || v.Column != "a" {
			t.Errorf("%v is no violation of field f from column a", err)
		}
		return "!" + err.Error()
	}
	if out.Values[1] == nil {
		return "null"
	}
	shown, err := schemas.AppendJSON(nil, e.Fields[1].Type, out.Values[1])
	if err != nil {
		t.Error(err)
	}
	return string(shown)
}

func ratOf(s string) *big.Rat {
	r, _ := new(big.Rat).SetString(s)
	return r
}

// shown maps the columns and shows what came out: id, whether live, source time, values.
func shown(t *testing.T, e *mesh.Entity, columns ...column) string {
	t.Helper()
	m, env, err := mapColumns(t, e, columns...)
	if err != nil {
		return "? " + err.Error()
	}
	var out Mapped
	if err := m.Map(env, &out); err != nil {
		return "! " + err.Error()
	}
	s := fmt.Sprintf("%s live=%t at=%d", out.ID, out.Live, out.SourceTime-sourceMicros)
	for i, f := range e.Fields[1:] {
		appendJSON := schemas.AppendJSON
		if f.Localized {
			appendJSON = schemas.AppendLocalizedJSON
		}
		if out.Values[i+1] == nil {
			s += " null"
			continue
		}
		v, err := appendJSON(nil, f.Type, out.Values[i+1])
		if err != nil {
			t.Error(err)
		}
		s += " " + string(v)
	}
	return s
}

func set(pairs ...string) (out []mesh.Assignment) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, mesh.Assignment{Field: pairs[i], Expr: pairs[i+1], Pos: mesh.Pos{File: "m.yaml", Line: 5, Column: 2}})
	}
	return out
}

func TestMap(t *testing.T) {
	str, null := mesh.Type{Kind: mesh.String}, column{`["null","string"]`, nil}
	name := &mesh.Field{Name: "name", Type: str}
	texts := &mesh.Field{Name: "texts", Type: str, Localized: true}
	stock := &mesh.Field{Name: "stock", Type: mesh.Type{Kind: mesh.Int}, Rule: mesh.Rule{Name: mesh.Count}}
	price := &mesh.Field{Name: "price", Type: mesh.Type{Kind: mesh.Decimal, Precision: 5, Scale: 2}, Validate: "value >= 0.0"}
	mail := &mesh.Field{Name: "mail", Type: typed(t, "enum(a,b)"), Classification: "pii"}
	at := named("io.debezium.time.ZonedTimestamp", "string", "2023-11-14T22:13:20.123457Z")
	for _, c := range []struct {
		name    string
		entity  *mesh.Entity
		columns []column
		want    string
	}{
		{"key", product(mesh.Block{Key: "row.a"}, name), []column{text("text", "K-1")}, "K-1 live=true at=0 null"},
		{"int as string key", product(mesh.Block{Key: "row.a"}, name), []column{{`"long"`, int64(-7)}}, "-7 live=true at=0 null"},
		{"computed key", product(mesh.Block{Key: "row.a + '/' + row.b"}, name), []column{text("text", "x"), text("text", "y")}, "x/y live=true at=0 null"},
		{"null key", product(mesh.Block{Key: "row.a"}, name), []column{null}, "! field sku from column a: the key is null"},
		{"empty key", product(mesh.Block{Key: "row.a"}, name), []column{text("text", "")}, "! field sku from column a: the key is empty"},
		{"when a constant", product(mesh.Block{When: "row.a == 'x'"}, name), []column{text("text", "y")}, "K live=false at=0 null"},
		{"when not a constant", product(mesh.Block{When: "row.a != 'x'"}, name), []column{null}, "K live=true at=0 null"},
		{"when a null is a constant", product(mesh.Block{When: "row.a == ''"}, name), []column{null}, "K live=false at=0 null"},
		{"when a column", product(mesh.Block{When: "row.a"}, name), []column{{`["null","boolean"]`, false}}, "K live=false at=0 null"},
		{"when a null column", product(mesh.Block{When: "row.a"}, name), []column{{`["null","boolean"]`, nil}}, "! when from column a: the condition is null"},
		{"when computed", product(mesh.Block{When: "row.a > 3"}, name), []column{{`"int"`, int32(4)}}, "K live=true at=0 null"},
		{"not live and without key", product(mesh.Block{Key: "row.a", When: "row.a != null"}, name), []column{null}, " live=false at=0 null"},
		{"at", product(mesh.Block{At: "row.a"}, name), []column{at}, "K live=true at=1 null"},
		{"at of null is the commit time", product(mesh.Block{At: "row.a"}, name), []column{null}, "? entity product, contribution erp.material: m.yaml:9:3: a time is needed"},
		{"at computed", product(mesh.Block{At: "timestamp('2023-11-14T22:13:20.123458Z')"}, name), []column{null}, "K live=true at=2 null"},
		{"a pair", product(mesh.Block{Set: set("texts", "{row.a: row.b}")}, texts), []column{text("text", "de"), text("text", "Hose")}, `K live=true at=0 {"de":"Hose"}`},
		{"a pair of null", product(mesh.Block{Set: set("texts", "{row.a: row.b}")}, texts), []column{text("text", "de"), null}, "K live=true at=0 null"},
		{"a pair without locale", product(mesh.Block{Set: set("texts", "{row.a: row.b}")}, texts), []column{null, null}, "! field texts from column a: the locale is null or empty"},
		{"a map", product(mesh.Block{Set: set("texts", "{'en': row.a, 'de': row.b, 'fr': row.a + '!'}")}, texts), []column{text("text", "T"), null}, `K live=true at=0 {"en":"T","fr":"T!"}`},
		{"a count of any type", product(mesh.Block{Set: set("stock", "row.a")}, stock), []column{text("text", "abc")}, "K live=true at=0 1"},
		{"a count of what is no number", product(mesh.Block{Set: set("stock", "row.a")}, stock), []column{{`"boolean"`, false}}, "K live=true at=0 1"},
		{"a count of null", product(mesh.Block{Set: set("stock", "row.a")}, stock), []column{null}, "K live=true at=0 null"},
		{"valid", product(mesh.Block{Set: set("price", "row.a")}, price), []column{text("numeric", "1")}, `K live=true at=0 "1.00"`},
		{"invalid", product(mesh.Block{Set: set("price", "row.a")}, price), []column{text("numeric", "-1")}, `! field price from column a: "-1" is not a value of type decimal(5,2): its validation does not hold`},
		{"computed decimal", product(mesh.Block{Set: set("price", "row.a * 2.0")}, price), []column{text("numeric", "1.25")}, `K live=true at=0 "2.50"`},
		{"personal data", product(mesh.Block{Set: set("mail", "row.a")}, mail), []column{text("text", "secret")}, "! field mail from column a: not a value of type enum(a,b): an enum value is one of a, b"},
		{"personal data under another name", product(mesh.Block{Set: set("mail", "row.a", "stock2", "row.a")}, mail, &mesh.Field{Name: "stock2", Type: mesh.Type{Kind: mesh.Int}}),
			[]column{text("text", "a")}, "! field stock2 from column a: not a value of type int: an int is a whole number from -2^63 to 2^63-1"},
		{"unknown column", product(mesh.Block{Set: set("name", "row.aa")}, name), []column{null}, `? entity product, contribution erp.material: m.yaml:5:2: the row has no column "aa": did you mean row.a?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := shown(t, c.entity, c.columns...); !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// BenchmarkMap reads and maps a row of 10 columns with 6 plain references.
func BenchmarkMap(b *testing.B) {
	m, body, env := wideMapper(b)
	var out Mapped
	b.ReportAllocs()
	for b.Loop() {
		if err := m.reader.Read(body, env); err != nil {
			b.Fatal(err)
		}
		if err := m.Map(env, &out); err != nil {
			b.Fatal(err)
		}
	}
}

func wideMapper(t testing.TB) (*Mapper, []byte, *Envelope) {
	reader, body := wideRow(t)
	pairs := []string{}
	var fields []*mesh.Field
	for i, typ := range []string{"string", "decimal(12,2)", "string", "decimal(12,2)", "string", "float"} {
		name := fmt.Sprintf("f%d", i)
		fields = append(fields, &mesh.Field{Name: name, Type: typed(t, typ)})
		pairs = append(pairs, name, fmt.Sprintf("row.c%d", i+1))
	}
	e := product(mesh.Block{Key: "row.c0", When: "row.c9 != ''", Set: set(pairs...)}, fields...)
	m, err := CompileMapper(schemas.NewEntityCodec("acme", e), e.Contributions[0], reader)
	if err != nil {
		t.Fatal(err)
	}
	return m, body, &Envelope{}
}

// TestMapDoesNotAllocate keeps the garbage of a snapshot low.
func TestMapDoesNotAllocate(t *testing.T) {
	m, body, env := wideMapper(t)
	var out Mapped
	n := testing.AllocsPerRun(100, func() {
		if m.reader.Read(body, env) != nil || m.Map(env, &out) != nil {
			t.Fatal("not mapped")
		}
	})
	if n > 0 {
		t.Errorf("%.0f allocations a row", n)
	}
}
