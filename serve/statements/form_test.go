package statements

import (
	"context"
	"errors"
	"testing"

	"tributary/mesh"
	"tributary/sinks/views"
)

// A preparer counts what it prepares.
type preparer struct {
	views.Statement
	prepared int
	err      error
}

func (p *preparer) Prepare(context.Context, *views.Query) (views.Statement, error) {
	p.prepared++
	return p, p.err
}

// base is a query with something of everything. Changes are made to a new one each time.
func base() *views.Query {
	a, b := &mesh.Field{Name: "a"}, &mesh.Field{Name: "b"}
	relation := &mesh.Relation{Name: "r"}
	return &views.Query{
		Entity: &mesh.Entity{Name: "e"},
		Where:  &views.Cond{Op: views.And, Conds: []*views.Cond{{Op: views.Eq, Field: a, Locale: 1, Arg: 2}, {Op: views.Gt, Field: b, Arg: 3}}},
		Order:  []views.Order{{Field: a, Locale: 4}, {Field: b, Desc: true}},
		After:  5, First: 6,
		Select: []views.Item{{As: "a", Field: a, Locale: 7}, {As: "m", Meta: 1, MetaBlob: true, MetaMark: "x"}, {As: "t", Literal: "T"},
			{As: "r", Relation: relation, Nested: &views.Query{Entity: &mesh.Entity{Name: "n"}, First: 8, Select: []views.Item{{As: "b", Field: b}}}}},
	}
}

// Two queries share a statement only if the store would prepare them alike: a part that the form
// left out would answer one query with the rows of another.
func TestEveryPartIsInTheForm(t *testing.T) {
	seen := map[string]string{string(appendQuery(nil, base())): "nothing"}
	other := &mesh.Field{Name: "c"}
	for what, change := range map[string]func(q *views.Query){
		"the entity":             func(q *views.Query) { q.Entity = &mesh.Entity{Name: "f"} },
		"no condition":           func(q *views.Query) { q.Where = nil },
		"an operator":            func(q *views.Query) { q.Where.Op = views.Or },
		"an operator within":     func(q *views.Query) { q.Where.Conds[0].Op = views.Ne },
		"a condition's field":    func(q *views.Query) { q.Where.Conds[0].Field = other },
		"a condition's locale":   func(q *views.Query) { q.Where.Conds[0].Locale = 9 },
		"a condition's argument": func(q *views.Query) { q.Where.Conds[0].Arg = 9 },
		"a condition less":       func(q *views.Query) { q.Where.Conds = q.Where.Conds[:1] },
		"a condition deeper":     func(q *views.Query) { q.Where = &views.Cond{Op: views.And, Conds: []*views.Cond{q.Where}} },
		"an order's field":       func(q *views.Query) { q.Order[0].Field = other },
		"an order's locale":      func(q *views.Query) { q.Order[0].Locale = 9 },
		"an order's direction":   func(q *views.Query) { q.Order[0].Desc = true },
		"an order less":          func(q *views.Query) { q.Order = q.Order[:1] },
		"the cursor":             func(q *views.Query) { q.After = views.NoArg },
		"the limit":              func(q *views.Query) { q.First = views.NoArg },
		"a name":                 func(q *views.Query) { q.Select[0].As = "z" },
		"a field":                func(q *views.Query) { q.Select[0].Field = other },
		"a locale":               func(q *views.Query) { q.Select[0].Locale = views.NoArg },
		"a mark's number":        func(q *views.Query) { q.Select[1].Meta = 2 },
		"a mark's provenance":    func(q *views.Query) { q.Select[1].MetaBlob = false },
		"a mark's name":          func(q *views.Query) { q.Select[1].MetaMark = "y" },
		"a literal":              func(q *views.Query) { q.Select[2].Literal = "T," },
		"a relation":             func(q *views.Query) { q.Select[3].Relation = &mesh.Relation{Name: "s"} },
		"a relation's limit":     func(q *views.Query) { q.Select[3].Nested.First = 9 },
		"a relation's selection": func(q *views.Query) { q.Select[3].Nested.Select[0].Field = other },
		"an item less":           func(q *views.Query) { q.Select = q.Select[:3] },
		"another order of items": func(q *views.Query) { q.Select[0], q.Select[2] = q.Select[2], q.Select[0] },
	} {
		q := base()
		change(q)
		form := string(appendQuery(nil, q))
		if same, ok := seen[form]; ok {
			t.Errorf("queries that differ by %s and by %s have one form: %s", what, same, form)
		}
		seen[form] = what
	}
}

func TestAFormIsPreparedOnce(t *testing.T) {
	p := &preparer{}
	c := New(p)
	for range 3 {
		if _, err := c.Statement(t.Context(), base()); err != nil {
			t.Fatal(err)
		}
	}
	if p.prepared != 1 {
		t.Errorf("prepared %d times, want once", p.prepared)
	}
}

func TestWhatFailedIsPreparedAgain(t *testing.T) {
	p := &preparer{err: errors.New("the store is closed")}
	c := New(p)
	for range 2 {
		if _, err := c.Statement(t.Context(), base()); !errors.Is(err, p.err) {
			t.Fatalf("err = %v, want it to wrap %v", err, p.err)
		}
	}
	p.err = nil
	if _, err := c.Statement(t.Context(), base()); err != nil || p.prepared != 3 {
		t.Errorf("%v after %d tries", err, p.prepared)
	}
}
