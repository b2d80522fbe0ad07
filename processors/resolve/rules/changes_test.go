package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/schemas"
)

// resolved makes the view of some rows; each call has a view of its own.
func resolved(t *testing.T, e *mesh.Entity, rows ...string) *schemas.View {
	t.Helper()
	if len(rows) == 0 {
		return nil
	}
	var cands []Candidate
	for _, text := range rows {
		cands = append(cands, said(e, text))
	}
	v := new(schemas.View)
	if !Compile(schemas.NewEntityCodec("acme", e)).Resolve("1", cands, v).Exists {
		t.Fatal("no entity")
	}
	return v
}

func changes(e *mesh.Entity, old, new *schemas.View) string {
	var out []string
	Compile(schemas.NewEntityCodec("acme", e)).Changes(old, new, func(i int, locale string, was, is []byte) {
		name := e.Fields[i].Name
		if locale != "" {
			name += "." + locale
		}
		out = append(out, fmt.Sprintf("%s %s>%s", name, textOf(e.Fields[i], was), textOf(e.Fields[i], is)))
	})
	return strings.Join(out, "; ")
}

func TestChanges(t *testing.T) {
	text := ruled("t", mesh.String, mesh.Priority, "pim")
	text.Localized = true
	e := testEntity(ruled("f", mesh.Float, mesh.Priority, "pim"), ruled("n", mesh.Int, mesh.Count), text)
	a := "pim.d/1: NaN 1 de=A,en=B"
	for _, c := range []struct{ name, old, new, want string }{
		{"created", "", a, "sku null>1; f null>NaN; n null>1; t.de null>A; t.en null>B"},
		{"deleted", a, "", "sku 1>null; f NaN>null; n 1>null; t.de A>null; t.en B>null"},
		{"equal", a, a, ""},
		{"changed", a, "pim.d/1: 2 - en=C,fr=D", "f NaN>2; n 1>0; t.de A>null; t.en B>C; t.fr null>D"},
		{"to null", a, "pim.d/1: - 1 -", "f NaN>null; t.de A>null; t.en B>null"},
		{"minus zero is zero", "pim.d/1: 0 1 -", "pim.d/1: -0 1 -", ""},
	} {
		var old, new []string
		if c.old != "" {
			old = []string{c.old}
		}
		if c.new != "" {
			new = []string{c.new}
		}
		if got := changes(e, resolved(t, e, old...), resolved(t, e, new...)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestConflicts(t *testing.T) {
	text := ruled("t", mesh.String, mesh.Owner, "pim")
	text.Localized = true
	e := testEntity(ruled("f", mesh.String, mesh.Priority, "pim"), text)
	for _, c := range []struct {
		name     string
		old, new []string
		want     string
	}{
		{"none", []string{"pim.d/1: x -"}, []string{"pim.d/1: y -"}, ""},
		{"opened", []string{"pim.d/1: x -", "crm.a/1: x -"}, []string{"pim.d/1: x -", "crm.a/1: y -"}, "f open"},
		{"opened at once", nil, []string{"pim.d/1: x -", "crm.a/1: y -"}, "f open"},
		{"same though later", []string{"pim.d/1@1: x -", "crm.a/1: y -"}, []string{"pim.d/1@2: x -", "crm.a/1: y -"}, ""},
		{"another winner's value", []string{"pim.d/1: x -", "crm.a/1: y -"}, []string{"pim.d/1: z -", "crm.a/1: y -"}, "f updated"},
		{"another loser's value", []string{"pim.d/1: x -", "crm.a/1: y -"}, []string{"pim.d/1: x -", "crm.a/1: z -"}, "f updated"},
		{"another loser", []string{"pim.d/1: x -", "crm.a/1: y -"}, []string{"pim.d/1: x -", "crm.a/2: y -"}, "f updated"},
		{"one more loser", []string{"pim.d/1: x -", "crm.a/1: y -"}, []string{"pim.d/1: x -", "crm.a/1: y -", "crm.a/2: x -"}, "f updated"},
		{"agreed", []string{"pim.d/1: x -", "crm.a/1: y -"}, []string{"pim.d/1: x -", "crm.a/1: x -"}, "f resolved"},
		{"deleted", []string{"pim.d/1: x -", "crm.a/1: y -"}, nil, "f resolved"},
		{"a locale", []string{"pim.d/1: - de=A"}, []string{"pim.d/1: - de=A", "crm.a/1: - de=A,en=B"}, "t.de open; t.en open"},
		{"a locale's value", []string{"pim.d/1: - de=A,en=B", "crm.a/1: - de=C"}, []string{"pim.d/1: - de=D,en=B", "crm.a/1: - de=C"}, "t.de updated"},
		{"a locale that is gone", []string{"pim.d/1: - de=A", "crm.a/1: - en=B"}, []string{"pim.d/1: - de=A"}, "t.en resolved"},
	} {
		var got []string
		r := Compile(schemas.NewEntityCodec("acme", e))
		r.Conflicts(resolved(t, e, c.old...), resolved(t, e, c.new...), func(c ConflictChange) {
			name := e.Fields[c.Field].Name
			if c.Locale != "" {
				name += "." + c.Locale
			}
			if (c.New != nil && c.New.Conflict) != (c.Transition != Resolved) {
				t.Errorf("%+v hands over the wrong provenance", c)
			}
			got = append(got, name+" "+string(c.Transition))
		})
		slices.Sort(got)
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
}
