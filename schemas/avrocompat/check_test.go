package avrocompat

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"
)

func parse(t testing.TB, text string) avro.Schema {
	t.Helper()
	s, err := Parse(text, nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func record(fields string) string {
	return `{"type":"record","name":"P","namespace":"n","fields":[` + fields + `]}`
}

func field(typ string) string { return record(`{"name":"f","type":` + typ + `}`) }

func decimal(p, s int) string {
	return fmt.Sprintf(`{"type":"bytes","logicalType":"decimal","precision":%d,"scale":%d}`, p, s)
}

// TestResolution goes through Avro's rules; want is a part of the one message, "" if data of the
// writer can be read.
func TestResolution(t *testing.T) {
	const ab = `{"type":"enum","name":"E","symbols":["A","B"]}`
	const abc = `{"type":"enum","name":"E","symbols":["A","B","C"]}`
	const abDefault = `{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`
	for _, c := range []struct{ name, reader, writer, want string }{
		{"same", field(`"int"`), field(`"int"`), ""},
		{"int to long", field(`"long"`), field(`"int"`), ""},
		{"int to double", field(`"double"`), field(`"int"`), ""},
		{"long to float", field(`"float"`), field(`"long"`), ""},
		{"float to double", field(`"double"`), field(`"float"`), ""},
		{"long to int", field(`"int"`), field(`"long"`), "P.f: the writer's long cannot be read as int"},
		{"double to float", field(`"float"`), field(`"double"`), "P.f: the writer's double cannot be read as float"},
		{"string to bytes", field(`"bytes"`), field(`"string"`), ""},
		{"bytes to string", field(`"string"`), field(`"bytes"`), ""},
		{"int to string", field(`"string"`), field(`"int"`), "P.f: the writer's int cannot be read as string"},
		{"int to boolean", field(`"boolean"`), field(`"int"`), "P.f: the writer's int cannot be read as boolean"},

		{"field only in writer", record(``), field(`"int"`), ""},
		{"field only in reader", field(`"int"`), record(``), "P.f: the writer does not have this field and the reader has no default"},
		{"field only in reader, with default", record(`{"name":"f","type":"int","default":0}`), record(``), ""},
		{"null default", record(`{"name":"f","type":["null","int"],"default":null}`), record(``), ""},
		{"other order", record(`{"name":"a","type":"int"},{"name":"b","type":"string"}`), record(`{"name":"b","type":"string"},{"name":"a","type":"int"}`), ""},
		{"renamed", record(`{"name":"g","type":"int"}`), field(`"int"`), "P.g: the writer does not have this field"},
		{"renamed with alias", record(`{"name":"g","aliases":["f"],"type":"int"}`), field(`"int"`), ""},
		{"alias of another type", record(`{"name":"g","aliases":["f"],"type":"int"}`), field(`"string"`), "P.g: the writer's string cannot be read as int"},

		{"other namespace", `{"type":"record","name":"P","namespace":"m","fields":[]}`, record(``), ""},
		{"other record name", `{"type":"record","name":"Q","namespace":"n","fields":[]}`, record(``), "Q: the writer's record is named n.P, the reader's n.Q"},
		{"record alias", `{"type":"record","name":"Q","namespace":"n","aliases":["P"],"fields":[]}`, record(``), ""},
		{"record for int", record(``), `"int"`, "P: the writer's int cannot be read as record n.P"},

		{"enum grows in writer", ab, abc, "E: the reader's enum lacks the writer's symbols C and has no default"},
		{"enum grows in reader", abc, ab, ""},
		{"enum with default", abDefault, abc, ""},
		{"enum of another name", `{"type":"enum","name":"F","symbols":["A","B"]}`, ab, "F: the writer's enum is named E"},

		{"fixed", `{"type":"fixed","name":"F","size":4}`, `{"type":"fixed","name":"F","size":4}`, ""},
		{"fixed of another size", `{"type":"fixed","name":"F","size":8}`, `{"type":"fixed","name":"F","size":4}`, "F: the writer's fixed has 4 bytes, the reader's 8"},
		{"fixed of another name", `{"type":"fixed","name":"G","size":4}`, `{"type":"fixed","name":"F","size":4}`, "G: the writer's fixed is named F"},

		{"array", field(`{"type":"array","items":"long"}`), field(`{"type":"array","items":"int"}`), ""},
		{"array item", field(`{"type":"array","items":"int"}`), field(`{"type":"array","items":"long"}`), "P.f[]: the writer's long cannot be read as int"},
		{"map value", field(`{"type":"map","values":"int"}`), field(`{"type":"map","values":"long"}`), "P.f{}: the writer's long cannot be read as int"},
		{"nested path", field(`{"type":"array","items":` + `{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}` + `}`),
			field(`{"type":"array","items":{"type":"record","name":"I","fields":[]}}`), "P.f[].x: the writer does not have this field"},

		{"into union", field(`["null","int"]`), field(`"int"`), ""},
		{"promoted into union", field(`["null","long"]`), field(`"int"`), ""},
		{"not in union", field(`["null","int"]`), field(`"string"`), "P.f: the writer's string matches no branch of the reader's [null, int]"},
		{"out of union", field(`"int"`), field(`["null","int"]`), "P.f: the writer's null cannot be read as int"},
		{"union of one", field(`"long"`), field(`["int"]`), ""},
		{"union grows in reader", field(`["null","int","string"]`), field(`["null","int"]`), ""},
		{"union grows in writer", field(`["null","int"]`), field(`["null","int","string"]`), "P.f: the writer's string matches no branch"},
		{"record in union", field(`["null",{"type":"record","name":"I","fields":[{"name":"x","type":"int"}]}]`),
			field(`["null",{"type":"record","name":"I","fields":[]}]`), "P.f.x: the writer does not have this field"},

		{"same decimal", field(decimal(12, 2)), field(decimal(12, 2)), ""},
		{"wider decimal", field(decimal(14, 2)), field(decimal(12, 2)), ""},
		{"narrower decimal", field(decimal(10, 2)), field(decimal(12, 2)), "P.f: the writer's decimal(12,2) does not fit the reader's decimal(10,2)"},
		{"other scale", field(decimal(12, 3)), field(decimal(12, 2)), "P.f: the writer's decimal(12,2) does not fit the reader's decimal(12,3)"},
		{"decimal for bytes", field(`"bytes"`), field(decimal(12, 2)), ""},
		{"unknown logical type", field(`{"type":"int","logicalType":"nosuch"}`), field(`{"type":"int","logicalType":"date"}`), ""},
		{"millis for micros", field(`{"type":"long","logicalType":"timestamp-micros"}`), field(`{"type":"long","logicalType":"timestamp-millis"}`),
			"P.f: the writer's timestamp-millis cannot be read as timestamp-micros"},
		{"date promoted to a timestamp", field(`{"type":"long","logicalType":"timestamp-micros"}`), field(`{"type":"int","logicalType":"date"}`),
			"P.f: the writer's date cannot be read as timestamp-micros"},
		{"properties do not matter", field(`{"type":"int","connect.name":"x"}`), field(`{"type":"int","connect.name":"y"}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms := Check(parse(t, c.reader), parse(t, c.writer))
			switch {
			case c.want == "" && ms != nil:
				t.Errorf("%v, want none", ms)
			case c.want != "" && (len(ms) != 1 || !strings.Contains(ms[0].String(), c.want)):
				t.Errorf("%v, want %q", ms, c.want)
			}
		})
	}
}

func TestAllMismatchesAreNamed(t *testing.T) {
	reader := parse(t, record(`{"name":"a","type":"int"},{"name":"b","type":"int"},{"name":"c","type":"int"}`))
	writer := parse(t, record(`{"name":"a","type":"long"},{"name":"b","type":"int"}`))
	var paths []string
	for _, m := range Check(reader, writer) {
		paths = append(paths, m.Path)
	}
	if want := []string{"P.a", "P.c"}; !slices.Equal(paths, want) {
		t.Errorf("paths %v, want %v", paths, want)
	}
}

// TestRecursion: types that hold themselves are compared without end, and a pair that was taken
// to fit only while an outer pair was open must not stay so when that one fails.
func TestRecursion(t *testing.T) {
	list := func(typ string) string {
		return `{"type":"record","name":"L","fields":[{"name":"v","type":` + typ + `},{"name":"next","type":["null","L"],"default":null}]}`
	}
	if ms := Check(parse(t, list(`"long"`)), parse(t, list(`"int"`))); ms != nil {
		t.Errorf("%v, want none", ms)
	}
	ms := Check(parse(t, list(`"int"`)), parse(t, list(`"long"`)))
	if len(ms) != 1 || ms[0].Path != "L.v" {
		t.Errorf("%v, want one mismatch at L.v", ms)
	}

	// A holds B, which holds A; A does not fit because of its last field. B fits only if A does.
	mutual := func(last string) string {
		return record(`{"name":"first","type":["null",{"type":"record","name":"A","fields":[
			{"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}},
			{"name":"last","type":` + last + `}]}]},
			{"name":"second","type":"B"}`)
	}
	var paths []string
	for _, m := range Check(parse(t, mutual(`"int"`)), parse(t, mutual(`"string"`))) {
		paths = append(paths, m.Path)
	}
	if !slices.Contains(paths, "P.first.last") || !slices.Contains(paths, "P.second.a.last") {
		t.Errorf("paths %v; want P.first.last and P.second.a.last", paths)
	}
}

// TestSharedTypesAreComparedOnce: a schema whose types refer to each other twice a level would
// otherwise take 2^60 steps.
func TestSharedTypesAreComparedOnce(t *testing.T) {
	deep := func(leaf string) string {
		s := `{"type":"record","name":"R0","fields":[{"name":"a","type":` + leaf + `}]}`
		for i := 1; i <= 60; i++ {
			s = fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":"R%d"}]}`, i, s, i-1)
		}
		return s
	}
	if ms := Check(parse(t, deep(`"long"`)), parse(t, deep(`"int"`))); ms != nil {
		t.Errorf("%v, want none", ms)
	}
	if ms := Check(parse(t, deep(`"int"`)), parse(t, deep(`"long"`))); len(ms) == 0 || len(ms) > 2*maxMismatches {
		t.Errorf("%d mismatches", len(ms))
	}
}

func TestParseIsStrict(t *testing.T) {
	for _, text := range []string{``, `int`, `{`, `{"type":"record"}`, strings.Repeat("[", 20000), `{"type":"fixed","name":"F","size":"x"}`,
		record(`{"name":"f","type":{"type":"fixed","name":"F","size":9223372036854775807},"default":"x"}`)} {
		if s, err := Parse(text, nil); err == nil {
			t.Errorf("%.60s was taken as %v", text, s)
		}
	}
	// Each parse stands alone: a type of one text is not known in the next.
	parse(t, record(``))
	if _, err := Parse(`{"type":"array","items":"n.P"}`, nil); err == nil {
		t.Error("a type of an earlier text was known")
	}
}

func TestLevels(t *testing.T) {
	v1 := field(`"int"`)
	v2 := record(`{"name":"f","type":"int"},{"name":"g","type":"int","default":0}`)
	v3 := record(`{"name":"f","type":"int"},{"name":"g","type":"int"}`) // reads v2, not v1
	earlier := []Version{{1, parse(t, v1)}, {2, parse(t, v2)}}
	for level, want := range map[Level][]string{
		None: nil, Backward: nil, Forward: nil, Full: nil, ForwardTransitive: nil,
		BackwardTransitive: {"the new schema cannot read data of version 1: P.g"},
		FullTransitive:     {"the new schema cannot read data of version 1: P.g"},
	} {
		got := level.Check(parse(t, v3), earlier)
		if len(got) != len(want) || len(want) > 0 && !strings.HasPrefix(got[0], want[0]) {
			t.Errorf("%s: %q, want %q", level, got, want)
		}
	}
	got := Forward.Check(parse(t, record(``)), earlier[:1])
	if len(got) != 1 || !strings.HasPrefix(got[0], "version 1 cannot read data of the new schema: P.f") {
		t.Errorf("FORWARD: %q", got)
	}
	if l, ok := ParseLevel("full_transitive"); !ok || l != FullTransitive {
		t.Errorf("level %q, %v", l, ok)
	}
	if _, ok := ParseLevel("SOMETIMES"); ok {
		t.Error("SOMETIMES is no level")
	}
}

// FuzzCheck: any text gives a schema or an error, and every schema reads its own data.
func FuzzCheck(f *testing.F) {
	f.Add(record(`{"name":"f","type":["null","int"],"default":null}`), field(decimal(4, 2)))
	f.Add(`{"type":"enum","name":"E","symbols":["A"],"default":"A"}`, `["null",{"type":"fixed","name":"F","size":3}]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		sa, err := Parse(a, nil)
		if err != nil {
			return
		}
		if ms := Check(sa, sa); ms != nil {
			t.Fatalf("%s does not read its own data: %v", a, ms)
		}
		if sb, err := Parse(b, nil); err == nil {
			Check(sa, sb)
		}
	})
}
