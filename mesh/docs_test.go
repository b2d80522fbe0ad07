package mesh_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/mesh/expr"
)

const page = "../docs/manifest.md"

// blocks gives the fenced blocks of a language on a page.
func blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	return out
}

func TestQuickstartLoads(t *testing.T) {
	const page = "../docs/quickstart.md"
	text := strings.Join(blocks(t, page, "yaml"), "---\n")
	env := func(string) (string, bool) { return "postgres://reader@db/shop", true }
	m, err := mesh.Parse([]mesh.File{{Name: page, Text: []byte(text)}}, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Systems) != 1 || len(m.Entities) != 1 {
		t.Errorf("%d systems, %d entities", len(m.Systems), len(m.Entities))
	}
}

func TestManualLoads(t *testing.T) {
	text := strings.Join(blocks(t, page, "yaml"), "---\n")
	env := func(name string) (string, bool) {
		if strings.HasSuffix(name, "_URL") {
			return "postgres://reader@db/" + strings.ToLower(name), true
		}
		return "secret", true
	}
	m, err := mesh.Parse([]mesh.File{{Name: page, Text: []byte(text)}}, env)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Systems) != 3 || len(m.Entities) != 2 {
		t.Errorf("%d systems, %d entities", len(m.Systems), len(m.Entities))
	}
}

// Every key of the schema has its place on the page, as `key` or `parent.key`.
func TestManualNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var root struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(mesh.JSONSchema(), &root); err != nil || len(root.Defs) == 0 {
		t.Fatal(err)
	}
	for name, def := range root.Defs {
		for key := range def.Properties {
			if !regexp.MustCompile("(?m)`(\\S*[.])?" + key + "[`:]|^ *" + key + ":|[{,] " + key + ":").Match(text) {
				t.Errorf("%s does not speak of %s, a key of %s", page, key, name)
			}
		}
	}
}

func TestManualExpressions(t *testing.T) {
	var columns []expr.Column
	for name, typ := range map[string]expr.ColumnType{
		"matnr": expr.Text, "Odd name": expr.Text, "lvorm": expr.Text, "netpr": expr.Numeric, "active": expr.Bool, "first": expr.Text, "last": expr.Text, "status": expr.Text,
		"on_hand": expr.Int, "tags": expr.ListOf(expr.Text), "changed_text": expr.Text, "updated_at": expr.Time,
	} {
		columns = append(columns, expr.Column{Name: name, Type: typ})
	}
	lines := strings.Split(strings.TrimSpace(strings.Join(blocks(t, page, "cel"), "")), "\n")
	if len(lines) < 10 {
		t.Fatal(lines)
	}
	for _, src := range lines {
		if _, err := expr.Compile(src, columns, expr.Value); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}
