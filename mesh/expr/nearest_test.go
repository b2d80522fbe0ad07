package expr_test

import (
	"strings"
	"testing"

	"tributary/mesh/expr"
)

func TestNearest(t *testing.T) {
	long := strings.Repeat("x", 121)
	for _, c := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"onwer", []string{"owner", "one"}, "owner"},
		{"OWNER", []string{"ower", "owner"}, "owner"}, // letters' case alone is no other name
		{"ab", []string{"cd"}, ""},
		{"x", nil, ""},
		{long, []string{long}, ""}, // too long to be worth its work
	} {
		if got := expr.Nearest(c.name, c.candidates); got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.name, c.candidates, got, c.want)
		}
	}
}
