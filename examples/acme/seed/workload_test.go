package seed

import (
	"fmt"
	"testing"
)

func plan(t *testing.T, seed uint64, n int) []change {
	t.Helper()
	b, err := newBusiness(seed, 1000, 60, map[string][]int64{})
	if err != nil {
		t.Fatal(err)
	}
	var out []change
	for range n {
		out = append(out, b.next())
	}
	return out
}

func TestTheSameSeedPlansTheSame(t *testing.T) {
	once, again := fmt.Sprint(plan(t, 7, 500)), fmt.Sprint(plan(t, 7, 500))
	if once != again {
		t.Error("two plans of one seed differ")
	}
	if once == fmt.Sprint(plan(t, 8, 500)) {
		t.Error("the plans of two seeds are equal")
	}
}

func TestEveryThreeSecondsADisagreement(t *testing.T) {
	n := 0
	for _, c := range plan(t, 1, 600) {
		if c.what == "disagree" || c.what == "settle" {
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d disagreements and settlements in 600 changes, want one in 60", n)
	}
}
