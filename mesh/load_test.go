package mesh_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tributary/mesh"
)

// environment answers the variables of the test manifests.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"ERP_DATABASE_URL": "postgres://erp:hunter2-of-erp@127.0.0.1:5432/erp",
		"WMS_DATABASE_URL": "postgres://wms:hunter2-of-wms@127.0.0.1:5432/wms",
		"PIM_PASSWORD":     "hunter2-of-pim",
		"EMPTY":            "",
		"NO_URL":           "hunter2-is-no-url",
	}[name]
	return v, ok
}

func loadExample(t *testing.T) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Load([]string{"testdata/example.yaml"}, environment)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestLoadExample(t *testing.T) {
	m := loadExample(t)
	if m.Name != "acme" || m.Kafka.Bootstrap != mesh.Embedded || m.Registry.URL != mesh.Embedded || m.MaxOutage != 7*24*time.Hour {
		t.Errorf("header: %+v", m)
	}
	if got := m.Views.Store.Reveal() + " " + m.Analytics.ClickHouse.Reveal(); got != "sqlite embedded" {
		t.Errorf("views and analytics: %s", got)
	}
	if len(m.Systems) != 3 || len(m.Entities) != 2 {
		t.Fatalf("%d systems, %d entities", len(m.Systems), len(m.Entities))
	}
	if c := m.Systems[0].Connection; c.Reveal() != "postgres://erp:hunter2-of-erp@127.0.0.1:5432/erp" || c.String() != "${ERP_DATABASE_URL}" {
		t.Errorf("connection of erp: %s", c)
	}
	if c := m.Systems[1].Connection; !strings.Contains(c.Reveal(), ":hunter2-of-pim@") {
		t.Errorf("connection of pim: %s", c)
	}
	p := m.Entities[1]
	if p.Plural != "products" || p.Key != "sku" || !p.Field("sku").Required {
		t.Errorf("product: %+v", p)
	}
	rules := map[string]mesh.Rule{
		"sku":      {Name: mesh.Only},
		"name":     {Name: mesh.Owner, From: []string{"pim"}},
		"price":    {Name: mesh.Owner, From: []string{"erp"}},
		"currency": {Name: mesh.Owner, From: []string{"erp"}},
		"stock":    {Name: mesh.Sum, From: []string{"wms"}},
		"brand":    {Name: mesh.Priority, From: []string{"pim", "erp"}},
		"contact":  {Name: mesh.MostRecent},
	}
	for name, want := range rules {
		if got := p.Field(name).Rule; !reflect.DeepEqual(got, want) {
			t.Errorf("rule of %s: %v, want %v", name, got, want)
		}
	}
	if f := p.Field("price"); f.Freshness != (mesh.Freshness{Warn: 10 * time.Second, Error: time.Minute}) || f.Type.String() != "decimal(12,2)" {
		t.Errorf("price: %+v", f)
	}
	if r := p.Relations[0]; r.Target != m.Entities[0] || r.TargetField != "product" || r.LocalField != "sku" || r.One {
		t.Errorf("relation: %+v", r)
	}
	b := p.Contributions[2]
	if b.From != m.Systems[1].Streams[1] || b.Name != "pim.product_text" || b.Set[0].Expr != "{row.locale: row.title}" {
		t.Errorf("block: %+v", b)
	}
	if got := b.Set[0].Pos; got.Line != 66 || got.Column != 20 {
		t.Errorf("the expression's text begins at %v", got)
	}
}

func TestLoadFolderMergesFiles(t *testing.T) {
	text, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, doc := range strings.Split(string(text), "\n---\n") {
		name := filepath.Join(dir, string(rune('z'-i))+[]string{".yaml", ".yml"}[i%2])
		if err := os.WriteFile(name, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("}{"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := mesh.Load([]string{dir}, environment)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Systems) != 3 || len(m.Entities) != 2 || m.Entities[0].Name != "product" {
		t.Errorf("%d systems, %d entities", len(m.Systems), len(m.Entities))
	}
}

func TestLoadWithoutEnvironment(t *testing.T) {
	if _, err := mesh.Load([]string{"testdata/example.yaml"}, nil); err != nil {
		t.Errorf("a manifest can be checked without its secrets: %v", err)
	}
}

func TestEmptyMeshIsValid(t *testing.T) {
	m, err := mesh.Parse([]mesh.File{{Name: "mesh.yaml", Text: []byte("apiVersion: tributary/v1\nmesh: empty\nanalytics: none\n")}}, environment)
	if err != nil {
		t.Fatal(err)
	}
	if m.Analytics.ClickHouse.Reveal() != "none" || m.Views.Store.Reveal() != "sqlite" {
		t.Errorf("%+v", m)
	}
}

func TestLoadOfNothing(t *testing.T) {
	for _, paths := range [][]string{nil, {"testdata/none"}, {t.TempDir()}} {
		if _, err := mesh.Load(paths, environment); err == nil {
			t.Errorf("Load(%q) gave no error", paths)
		}
	}
}
