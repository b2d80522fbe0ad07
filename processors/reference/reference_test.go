package reference

import (
	"testing"

	"tributary/mesh"
)

// TestEvaluate checks the judge itself on one history that a reader can follow.
func TestEvaluate(t *testing.T) {
	erp := &mesh.Stream{System: &mesh.System{Name: "erp"}, Name: "t"}
	crm := &mesh.Stream{System: &mesh.System{Name: "crm"}, Name: "t"}
	e := &mesh.Entity{Name: "thing", Key: "key", Fields: []*mesh.Field{
		{Name: "key", Type: mesh.Type{Kind: mesh.String}, Required: true},
		{Name: "f", Type: mesh.Type{Kind: mesh.String}, Rule: mesh.Rule{Name: mesh.Priority, From: []string{"erp"}}},
		{Name: "n", Type: mesh.Type{Kind: mesh.Int}, Rule: mesh.Rule{Name: mesh.Sum}},
	}}
	for _, s := range []*mesh.Stream{erp, crm} {
		e.Contributions = append(e.Contributions, &mesh.Block{Name: s.ID(), From: s, Key: "row.ref", When: "row.flag != 'x'",
			Set: []mesh.Assignment{{Field: "f", Expr: "row.text"}, {Field: "n", Expr: "row.small"}}})
	}
	row := func(ref, flag string, text any, n int64) Row {
		return Row{"ref": ref, "flag": flag, "text": text, "small": n}
	}
	views := Evaluate(e, []Change{
		{Stream: "crm.t", Key: "1", Position: 2, Row: row("A", "", "crm", 2)},
		{Stream: "crm.t", Key: "1", Position: 1, Row: row("B", "", "old", 9)}, // it moved from B to A
		{Stream: "erp.t", Key: "1", Position: 1, Row: row("A", "", "erp", 3)},
		{Stream: "erp.t", Key: "2", Position: 1, Row: row("A", "x", "no", 50)},
		{Stream: "erp.t", Key: "3", Position: 2, Row: nil},
		{Stream: "erp.t", Key: "3", Position: 1, Row: row("C", "", "gone", 1)},
	})
	if len(views) != 1 {
		t.Fatalf("got %v, want only A", views)
	}
	f, n := views["A"].Fields["f"], views["A"].Fields["n"]
	if f.Value != "erp" || f.Winner != "erp.t/erp.t/1" || !f.Conflict || len(f.Losers) != 1 || n.Value != int64(5) || n.Inputs != 2 {
		t.Errorf("got %+v and %+v", f, n)
	}
}
