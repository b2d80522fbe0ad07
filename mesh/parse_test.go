package mesh_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/internal/golden"
	"tributary/mesh"
	"tributary/mesh/expr"
)

func loadFull(t *testing.T) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Load([]string{"testdata/full.yaml"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoadEveryKey(t *testing.T) {
	m := loadFull(t)
	if !m.Kafka.TLS || m.Kafka.SASL.Mechanism != "SCRAM-SHA-512" || m.Kafka.SASL.Password.Reveal() != "hunter2-of-pim" || m.Registry.Password.Reveal() != "hunter2-of-pim" {
		t.Errorf("kafka and registry: %+v %+v", m.Kafka, m.Registry)
	}
	if m.MaxOutage != 36*time.Hour || m.Topics.Partitions != 12 || m.Addrs.Gateway != "0.0.0.0:8080" || m.Addrs.Kafka != "[::1]:9092" {
		t.Errorf("header: %+v", m)
	}
	if !strings.Contains(m.Views.Store.Reveal(), ":hunter2-of-pim@") || strings.Contains(m.Views.Store.String(), "hunter2") {
		t.Errorf("views: %s", m.Views.Store)
	}
	e := m.Entities[0]
	if e.Plural != "companies_of_ours" || !m.Systems[0].Streams[0].Before {
		t.Errorf("%+v", e)
	}
	if got := e.Field("state").Type.Symbols; !reflect.DeepEqual(got, []string{"open", "closed"}) {
		t.Errorf("symbols %q", got)
	}
	if f := e.Field("credit_currency"); f.Group != "credit" || f.Rule.Name != mesh.Min {
		t.Errorf("a member has its lead's rule: %+v", f)
	}
	for i, one := range []bool{true, false, true} {
		if e.Relations[i].One != one {
			t.Errorf("relation %s: one %v", e.Relations[i].Name, !one)
		}
	}
	if e.Contributions[1].Name != "limits" || e.Contributions[0].Name != "erp.material" {
		t.Errorf("names of blocks: %s %s", e.Contributions[0].Name, e.Contributions[1].Name)
	}
}

func TestBlocksOfOneStreamAreNumbered(t *testing.T) {
	e := product(t, "  - from: wms.stock ", "  - { from: erp.material, key: row.b }\n  - { from: erp.material, key: row.c, name: third }\n  - { from: erp.material, key: row.d }\n  - from: wms.stock ")
	var got []string
	for _, b := range e.Contributions {
		got = append(got, b.Name)
	}
	want := []string{"erp.material", "pim.product", "pim.product_text", "erp.material#2", "third", "erp.material#4", "wms.stock"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

func TestPlurals(t *testing.T) {
	for name, want := range map[string]string{"product": "products", "company": "companies", "day": "days", "box": "boxes", "address": "addresses", "branch": "branches", "price": "prices"} {
		m, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: []byte(strings.ReplaceAll(`
apiVersion: tributary/v1
mesh: m
---
system: s
kind: postgres
connection: ${ERP_DATABASE_URL}
streams: { t: { table: t } }
---
entity: NAME
key: id
fields: { id: { type: string } }
contributions: [ { from: s.t, key: row.id } ]
`, "NAME", name))}}, environment)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Entities[0].Plural; got != want {
			t.Errorf("plural of %s: %s", name, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for src, want := range map[string]time.Duration{"500ms": 500 * time.Millisecond, "10s": 10 * time.Second, "5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "1d12h": 36 * time.Hour} {
		if got, err := mesh.ParseDuration(src); err != nil || got != want {
			t.Errorf("%s: %v %v", src, got, err)
		}
	}
	for _, src := range []string{"", "d", "0s", "-5s", "7", "7 d", "1.5d", "1d-2h", "99999999999d", "106751d23h48m", "soon"} {
		if got, err := mesh.ParseDuration(src); err == nil {
			t.Errorf("%q: %v", src, got)
		}
	}
}

func TestParseTable(t *testing.T) {
	for src, want := range map[string][2]string{
		"public.mara": {"public", "mara"}, "Mara": {"public", "mara"}, "SAP.Mara": {"sap", "mara"}, `"Odd Schema"."T"`: {"Odd Schema", "T"},
		`x."a.b""c"`: {"x", `a.b"c`}, "größe": {"public", "größe"}, "a$1": {"public", "a$1"},
	} {
		schema, table, err := mesh.ParseTable(src)
		if err != nil || schema != want[0] || table != want[1] {
			t.Errorf("%s: %q %q %v", src, schema, table, err)
		}
	}
	for _, src := range []string{"", ".", "a.", ".a", "a.b.c", `"a`, `""`, "a b", "1a", "a;drop", `"a"b`} {
		if schema, table, err := mesh.ParseTable(src); err == nil {
			t.Errorf("%s: %q %q", src, schema, table)
		}
	}
}

func TestTypesReadAsWritten(t *testing.T) {
	for _, src := range []string{"string", "int", "float", "bool", "decimal(12,2)", "timestamp", "date", "uuid", "json", "bytes", "enum(a,b)", "list<decimal(4,0)>", "list<enum(a)>"} {
		typ, err := mesh.ParseType(src)
		if err != nil || typ.String() != src {
			t.Errorf("%s: %s %v", src, typ, err)
		}
		again, err := mesh.ParseType(" " + strings.ReplaceAll(src, ",", " , ") + " ")
		if err != nil || !again.Equal(typ) {
			t.Errorf("%s with blanks: %v", src, err)
		}
	}
}

func TestCheckColumns(t *testing.T) {
	m := loadExample(t)
	text := func(names ...string) (cols []expr.Column) {
		for _, n := range names {
			cols = append(cols, expr.Column{Name: n, Type: expr.Text})
		}
		return cols
	}
	columns := map[string][]expr.Column{
		"erp.material":     append(text("matnr", "lvorm", "waers"), expr.Column{Name: "netpr", Type: expr.Numeric}),
		"pim.product":      append(text("identifier", "brand", "editor"), expr.Column{Name: "updated_at", Type: expr.Time}),
		"pim.product_text": text("identifier", "locale", "title"),
		"wms.stock":        append(text("sku"), expr.Column{Name: "on_hand", Type: expr.Int}),
	}
	known := func(s *mesh.Stream) ([]expr.Column, bool) { c, ok := columns[s.ID()]; return c, ok }
	if err := m.Entities[1].CheckColumns(known); err != nil {
		t.Fatal(err)
	}
	columns["erp.material"] = append(text("matnr", "lvorm", "waerss"), expr.Column{Name: "netpr", Type: expr.Bool})
	columns["pim.product"][3].Type = expr.Text
	columns["wms.stock"][1].Type = expr.ListOf(expr.Int)
	err := m.Entities[1].CheckColumns(known)
	var faults mesh.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("%v", err)
	}
	golden.Compare(t, "testdata/columns.golden", err.Error()+"\n")
	if err := loadFull(t).Entities[0].CheckColumns(func(*mesh.Stream) ([]expr.Column, bool) { return nil, false }); err != nil {
		t.Errorf("unknown streams are passed over: %v", err)
	}
}

// A fault within a literal block is placed in its own line.
func TestFaultInALiteralBlock(t *testing.T) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(full), ": row.amount * 2", ": row.amount * * 2", 1)
	_, err = mesh.Parse([]mesh.File{{Name: "full.yaml", Text: []byte(text)}}, environment)
	var faults mesh.Faults
	if !errors.As(err, &faults) || !strings.Contains(faults[0].Text, "row.amount * * 2") || faults[0].Column != 26 {
		t.Errorf("%v", err)
	}
}

func TestFileNamedTwiceIsReadOnce(t *testing.T) {
	if _, err := mesh.Load([]string{"testdata/example.yaml", "./testdata/../testdata/example.yaml"}, environment); err != nil {
		t.Error(err)
	}
}

// Editors on Windows write a mark at the beginning and other line ends: places stay right.
func TestFaultsInAFileFromWindows(t *testing.T) {
	text := "\ufeffapiVersion: tributary/v1\r\nmesh: acme\r\nkafak: {}\r\nviews: { store: sqllite }\r\n"
	_, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: []byte(text)}}, environment)
	golden.Compare(t, "testdata/windows.golden", err.Error()+"\n")
}

// A manifest of a size that no team writes is read in time, and faults of it stay short.
func TestHugeManifestIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: tributary/v1\nmesh: acme\n---\nentity: e\nkey: f0\ncontributions: []\nfields: {")
	for i := range 20_000 {
		fmt.Fprintf(&b, "f%d: { typ: int }, ", i)
	}
	b.WriteString("}\n")
	_, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: []byte(b.String())}}, environment)
	var faults mesh.Faults
	if !errors.As(err, &faults) || len(faults) > 1100 || !strings.Contains(err.Error(), "more than 1000 fields") {
		t.Errorf("%d faults", len(faults))
	}
	asJSON, _ := json.Marshal(err)
	if n, m := len(err.Error()), len(asJSON); n > 1<<20 || m > 1<<20 {
		t.Errorf("the faults have %d bytes, as JSON %d", n, m)
	}
}

func TestFaultsAsJSON(t *testing.T) {
	_, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: []byte("apiVersion: tributary/v1\nmesh: acme\nkafak: {}\n")}}, environment)
	got, _ := json.Marshal(err)
	want := `[{"file":"m.yaml","line":3,"column":1,"what":"unknown field \"kafak\"","suggestion":"did you mean \"kafka\"?","text":"kafak: {}"}]`
	if string(got) != want {
		t.Errorf("%s", got)
	}
}

// FuzzParse: any text gives a mesh or faults, never a panic, and no fault repeats a secret that
// stands in the environment (I11).
func FuzzParse(f *testing.F) {
	names, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(names, "testdata/example.yaml", "testdata/full.yaml") {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := mesh.Parse([]mesh.File{{Name: "m.yaml", Text: text}}, func(string) (string, bool) { return "postgres://u:hunter2-in-env@h/d", true })
		if err != nil {
			if strings.Contains(err.Error(), "hunter2-in-env") && !strings.Contains(string(text), "hunter2-in-env") {
				t.Fatalf("a secret is printed: %v", err)
			}
			return
		}
		for _, e := range m.Entities {
			if e.Signature().Hash() == "" {
				t.Fatal("no hash")
			}
		}
	})
}
