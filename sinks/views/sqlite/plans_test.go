package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/sinks/views"
)

// explain gives SQLite's query plan of a statement.
func explain(t *testing.T, s *Store, sql string) string {
	t.Helper()
	r := <-s.readers
	defer func() { s.readers <- r }()
	// EXPLAIN itself does not notice that another connection has changed the schema.
	if err := r.exec("SELECT count(*) FROM sqlite_schema"); err != nil {
		t.Fatal(err)
	}
	stmt, _, err := r.PrepareTransient("EXPLAIN QUERY PLAN " + sql)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Finalize()
	var lines []string
	for {
		more, err := stmt.Step()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		lines = append(lines, stmt.ColumnText(3))
	}
	return strings.Join(lines, "; ")
}

// TestPlans proves that the hot queries, and each segment behind a cursor, are ranges of an
// index: neither scans nor sorts.
func TestPlans(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "views.db"))
	defer s.Close()
	product, variant, price := benchShop()
	if err := s.Define(t.Context(), []*mesh.Entity{product, variant, price}); err != nil {
		t.Fatal(err)
	}
	field := product.Field
	category := &views.Cond{Op: views.Eq, Field: field("category"), Arg: 1}
	for name, q := range map[string]*views.Query{
		"by id":             {Where: &views.Cond{Op: views.Eq, Field: field("sku"), Arg: 1}},
		"by key":            {},
		"by category":       {Where: category},
		"category by price": {Where: category, Order: []views.Order{{Field: field("price")}}},
		"price descending":  {Order: []views.Order{{Field: field("price"), Desc: true}}},
		"two orders":        {Order: []views.Order{{Field: field("brand")}, {Field: field("price"), Desc: true}}},
		"descending key":    {Where: category, Order: []views.Order{{Field: field("sku"), Desc: true}}},
		"nested":            {Select: []views.Item{{As: "v", Relation: product.Relations[0], Nested: &views.Query{Entity: variant, Select: items(variant, "id", "size")}}}},
	} {
		q.Entity, q.First, q.After = product, 2, 3
		st, err := s.Prepare(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		n := st.(*plan).root
		segments := []segment{n.start}
		cursor := make([]cell, len(n.terms))
		for i := range cursor {
			cursor[i] = intCell(1)
		}
		segments = append(segments, n.segmentsBehind(cursor)...)
		for _, it := range n.items {
			if r, ok := it.member.(relationMember); ok {
				segments = append(segments, r.nested.start)
			}
		}
		for _, seg := range segments {
			got := explain(t, s, seg.sql)
			first := seg.sql == n.start.sql && len(n.conds) == 0
			if strings.Contains(got, "TEMP B-TREE") || strings.Contains(got, "SCAN") && !first || strings.Contains(got, "AUTOMATIC") {
				t.Errorf("%s: %s\n%s", name, got, seg.sql)
			}
		}
	}
}
