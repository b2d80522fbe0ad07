package rest

import (
	"strings"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

func TestReasons(t *testing.T) {
	ref := func(stream string, at time.Duration) *schemas.SourceRef {
		return &schemas.SourceRef{Stream: stream, SourceTime: at.Microseconds()}
	}
	rule := func(name mesh.RuleName, from ...string) *mesh.Field {
		return &mesh.Field{Rule: mesh.Rule{Name: name, From: from}}
	}
	for _, c := range []struct {
		field         *mesh.Field
		winner, loser *schemas.SourceRef
		want          string
	}{
		{rule(mesh.Owner, "erp"), ref("erp.material", 0), ref("pim.product", 0), "erp owns the field"},
		{rule(mesh.Owner, "erp"), nil, ref("pim.product", 0), "erp owns the field"},
		{rule(mesh.Owner, "erp"), ref("erp.material", 0), ref("erp.material", 0), "equal in rank"},
		{rule(mesh.Priority, "pim", "erp.material"), ref("pim.product", 0), ref("erp.material", 0), "pim comes before erp.material"},
		{rule(mesh.Priority, "pim", "erp"), ref("pim.product", 0), ref("crm.item", 0), "pim comes before crm.item"},
		{rule(mesh.Priority, "pim"), ref("pim.product", 0), ref("pim.text", 0), "equal in rank"},
		// The view was made by an earlier rule, under which crm won.
		{rule(mesh.Priority, "erp", "pim"), ref("crm.item", 0), ref("erp.material", 0), "crm.item comes before erp"},
		{rule(mesh.MostRecent), ref("a.b", 90*time.Second), ref("c.d", 28*time.Second+400*time.Millisecond), "it is older by 1m2s"},
		{rule(mesh.MostRecent), ref("a.b", 1500*time.Millisecond), ref("c.d", time.Second), "it is older by 500ms"},
		{rule(mesh.MostRecent), ref("a.b", time.Second), ref("c.d", time.Second), "equal in rank"},
		{rule(mesh.Sum), nil, ref("a.b", 0), "no row won"},
		{&mesh.Field{Group: "price", Rule: mesh.Rule{Name: mesh.Owner, From: []string{"erp"}}}, ref("erp.material", 0), ref("pim.product", 0), "the row that won price"},
	} {
		if got := reason(c.field, c.winner, c.loser); !strings.HasPrefix(got, c.want) {
			t.Errorf("%+v, %+v lost against %+v: %q, want %q", c.field.Rule, c.loser, c.winner, got, c.want)
		}
	}
}
