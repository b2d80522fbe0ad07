package graphql

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
)

type typeRef struct {
	Kind   string
	Name   *string
	OfType *typeRef
}

func (t *typeRef) String() string {
	switch {
	case t == nil:
		return ""
	case t.Kind == "NON_NULL":
		return t.OfType.String() + "!"
	case t.Kind == "LIST":
		return "[" + t.OfType.String() + "]"
	}
	return *t.Name
}

type inputValue struct {
	Name         string
	Type         typeRef
	DefaultValue *string
}

type fullType struct {
	Kind, Name, Description string
	Fields                  []struct {
		Name         string
		Args         []inputValue
		Type         typeRef
		IsDeprecated bool
	}
	InputFields   []inputValue
	EnumValues    []struct{ Name string }
	Interfaces    []typeRef
	PossibleTypes []typeRef
}

// TestIntrospection asks what GraphiQL and code generators ask (graphql-js'
// getIntrospectionQuery) and compares the answer with the schema itself.
func TestIntrospection(t *testing.T) {
	s, _ := seeded(t, nil)
	query, err := os.ReadFile("testdata/introspection.gql")
	if err != nil {
		t.Fatal(err)
	}
	w := post(s, string(query), "null")
	var answer struct {
		Errors []any
		Data   struct {
			Schema struct {
				QueryType        struct{ Name string }
				MutationType     *struct{ Name string }
				SubscriptionType *struct{ Name string }
				Types            []fullType
				Directives       []struct {
					Name      string
					Locations []string
				}
			} `json:"__schema"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Errors) > 0 {
		t.Fatalf("%v %.500s", err, w.Body)
	}
	schema := answer.Data.Schema
	if schema.QueryType.Name != "Query" || schema.MutationType != nil || schema.SubscriptionType != nil {
		t.Errorf("roots: %+v", schema)
	}
	if len(schema.Types) != len(s.schema.Types) {
		t.Errorf("%d types, the schema has %d", len(schema.Types), len(s.schema.Types))
	}
	for _, got := range schema.Types {
		compareType(t, s.schema.Types[got.Name], got)
	}
	var directives []string
	for _, d := range schema.Directives {
		directives = append(directives, d.Name)
	}
	if !slices.Contains(directives, "include") || !slices.Contains(directives, "skip") || slices.Contains(directives, "defer") {
		t.Errorf("directives: %v", directives)
	}
}

func compareType(t *testing.T, want *ast.Definition, got fullType) {
	t.Helper()
	if want == nil || got.Kind != string(want.Kind) || got.Description != want.Description {
		t.Fatalf("type %s: %+v", got.Name, got)
	}
	if want.Kind == ast.Enum && len(got.EnumValues) != len(want.EnumValues) {
		t.Errorf("enum %s: %v", got.Name, got.EnumValues)
	}
	fields := slices.DeleteFunc(slices.Clone(want.Fields), func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "__") })
	if want.Kind == ast.InputObject {
		if len(got.InputFields) != len(fields) {
			t.Fatalf("input %s: %d members, want %d", got.Name, len(got.InputFields), len(fields))
		}
		for i, f := range fields {
			compareInput(t, got.Name, got.InputFields[i], f.Name, f.Type, f.DefaultValue)
		}
		return
	}
	if len(got.Fields) != len(fields) {
		t.Fatalf("type %s: %d fields, want %d", got.Name, len(got.Fields), len(fields))
	}
	for i, f := range fields {
		g := got.Fields[i]
		if g.Name != f.Name || g.Type.String() != f.Type.String() || len(g.Args) != len(f.Arguments) || g.IsDeprecated != (f.Directives.ForName("deprecated") != nil) {
			t.Errorf("%s.%s: %s %d arguments, want %s %d", got.Name, f.Name, g.Type.String(), len(g.Args), f.Type, len(f.Arguments))
			continue
		}
		for j, a := range f.Arguments {
			compareInput(t, got.Name+"."+f.Name, g.Args[j], a.Name, a.Type, a.DefaultValue)
		}
	}
}

func compareInput(t *testing.T, where string, got inputValue, name string, want *ast.Type, def *ast.Value) {
	t.Helper()
	if got.Name != name || got.Type.String() != want.String() || (got.DefaultValue == nil) != (def == nil) || def != nil && *got.DefaultValue != def.String() {
		t.Errorf("%s: %s: %s, want %s: %s", where, got.Name, got.Type.String(), name, want)
	}
}
