package mesh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"tributary/internal/golden"
	"tributary/mesh"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(mesh.JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("manifest.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("manifest.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents gives the documents of a manifest as JSON values.
func documents(t *testing.T, text []byte) []any {
	t.Helper()
	var docs []any
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc any
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, value)
	}
}

func TestSchemaTakesTheExamples(t *testing.T) {
	s := compiledSchema(t)
	for _, name := range []string{"testdata/example.yaml", "testdata/full.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, doc := range documents(t, text) {
			if err := s.Validate(doc); err != nil {
				t.Errorf("%s, document %d: %v", name, i+1, err)
			}
		}
	}
}

// What is wrong within one document, the schema sees too; what needs two, only Parse sees.
func TestSchemaRefusesFaults(t *testing.T) {
	s := compiledSchema(t)
	for _, name := range []string{"unknown_field", "missing", "wrong_types", "header_values", "bad_names", "unknown_kind", "literal_password", "types", "classification", "unknown_document", "localized", "relations", "freshness"} {
		text, err := os.ReadFile(filepath.Join("testdata/faults", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for _, doc := range documents(t, text) {
			if s.Validate(doc) != nil {
				refused++
			}
		}
		if refused == 0 {
			t.Errorf("%s passes", name)
		}
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		m, ok := v.(map[string]any)
		if !ok {
			return
		}
		if props, ok := m["properties"].(map[string]any); ok {
			for name, p := range props {
				if d, _ := p.(map[string]any)["description"].(string); !strings.HasSuffix(d, ".") {
					t.Errorf("%s/%s has no description", path, name)
				}
			}
		}
		for k, c := range m {
			walk(path+"/"+k, c)
		}
	}
	var root any
	if err := json.Unmarshal(mesh.JSONSchema(), &root); err != nil {
		t.Fatal(err)
	}
	walk("", root)
	golden.Compare(t, "testdata/schema.golden.json", string(mesh.JSONSchema()))
}
