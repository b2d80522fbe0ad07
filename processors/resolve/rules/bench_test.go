package rules

import (
	"fmt"
	"testing"

	"tributary/mesh"
	"tributary/schemas"
)

// BenchmarkResolve resolves an entity of 10 fields from 3 contributions.
func BenchmarkResolve(b *testing.B) {
	var fields []*mesh.Field
	words := ""
	for i := range 9 {
		rule := []mesh.RuleName{mesh.Owner, mesh.Priority, mesh.MostRecent}[i%3]
		fields = append(fields, ruled(fmt.Sprintf("f%d", i), mesh.String, rule, []string{"erp"}...))
		fields[i].Rule.From = map[mesh.RuleName][]string{mesh.Owner: {"erp"}, mesh.Priority: {"pim", "erp"}}[rule]
		words += " value"
	}
	e := testEntity(fields...)
	r := Compile(schemas.NewEntityCodec("acme", e))
	cands := []Candidate{said(e, "pim.d/1@3:"+words), said(e, "erp.c/1@4:"+words), said(e, "crm.a/1@4:"+words)}
	var v schemas.View
	b.ReportAllocs()
	for b.Loop() {
		if !r.Resolve("SKU-1", cands, &v).Complete {
			b.Fatal("incomplete")
		}
	}
}

// TestResolveDoesNotAllocate keeps the garbage of a running mesh low.
func TestResolveDoesNotAllocate(t *testing.T) {
	e := testEntity(ruled("a", mesh.String, mesh.Priority, "pim"), ruled("b", mesh.Int, mesh.Sum))
	r := Compile(schemas.NewEntityCodec("acme", e))
	cands := []Candidate{said(e, "pim.d/1: x 1"), said(e, "erp.c/1: y 2"), said(e, "crm.a/1: z 3")}
	var v schemas.View
	if n := testing.AllocsPerRun(100, func() { r.Resolve("SKU-1", cands, &v) }); n > 0 {
		t.Errorf("%.0f allocations a call", n)
	}
}
