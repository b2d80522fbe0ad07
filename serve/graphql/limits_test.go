package graphql

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestLimits sends for each limit a document that keeps it, and one that breaks it.
func TestLimits(t *testing.T) {
	aliases := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d: sku ", i)
		}
		return "{ product(sku: \"SKU-1\") { " + b.String() + "} }"
	}
	roots := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "a%d: product(sku: \"SKU-1\") { sku } ", i)
		}
		return "{ " + b.String() + "}"
	}
	nested := func(n int) string {
		return "{ variant(id: 11) { " + strings.Repeat("parent { variants(first: 1) { ", n) + "id" + strings.Repeat(" } }", n) + " } }"
	}
	conditions := func(n int) string {
		return "{ products(where: {or: [" + strings.Repeat(`{sku: {eq: "x"}} `, n) + "]}) { totalCount } }"
	}
	nots := func(n int) string {
		return "{ products(where: " + strings.Repeat("{not: ", n) + `{sku: {eq: "x"}}` + strings.Repeat("}", n) + ") { totalCount } }"
	}
	in := func(n int) string {
		return "{ products(where: {sku: {in: [" + strings.Repeat(`"x" `, n) + "]}}) { totalCount } }"
	}
	first := func(n int) string {
		return fmt.Sprintf("{ products(first: 100) { nodes { variants(first: %d) { id } } } }", n)
	}
	// Each fragment spreads the next twice: the selections double at each step.
	bomb := func(n int) string {
		var b strings.Builder
		b.WriteString("{ product(sku: \"SKU-1\") { ...F0 } }\n")
		for i := range n {
			fmt.Fprintf(&b, "fragment F%d on Product { a: sku ...F%d ... { ...F%d } }\n", i, i+1, i+1)
		}
		fmt.Fprintf(&b, "fragment F%d on Product { sku }\n", n)
		return b.String()
	}
	for _, c := range []struct {
		name     string
		document func(int) string
		ok, over int
		want     string
	}{
		{"aliases", aliases, 100, 101, "too many aliases"},
		{"roots", roots, 20, 21, "too many fields at its root"},
		{"depth", nested, 1, 9, "nested too deeply"},
		{"conditions", conditions, 100, 101, "too many conditions"},
		{"nested where", nots, 14, 400, "where is nested too deeply"},
		{"in", in, 1000, 1001, "too many values"},
		{"nodes", first, 900, 1000, "too many objects"},
		{"fields", bomb, 5, 14, "too many fields"},
		{"repeats", func(n int) string {
			return "{ product(sku: \"SKU-1\") { " + strings.Repeat("sku ", n/2) + strings.Repeat("...{ sku } ", n-n/2) + "} }"
		}, 50, 1000, "selected too often"},
		{"spreads", func(n int) string {
			return "{ product(sku: \"SKU-1\") { " + strings.Repeat("...F ", n) + "} } fragment F on Product { sku }"
		}, 50, 51, "spread too often"},
		{"tokens", aliases, 1, 3000, "exceeded token limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := seeded(t, func(o *Options) { o.Limits.Nodes = 100_000 })
			if w := post(s, c.document(c.ok), "{}"); w.Code != 200 || strings.Contains(w.Body.String(), "errors") {
				t.Errorf("within the limit: %d %.300s", w.Code, w.Body)
			}
			start := time.Now()
			w := post(s, c.document(c.over), "{}", "Accept", grj)
			if w.Code != 400 || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("over the limit: %d %.300s", w.Code, w.Body)
			}
			t.Logf("refused after %s", time.Since(start))
		})
	}
}

func TestInLimitOfVariables(t *testing.T) {
	s, _ := seeded(t, func(o *Options) { o.Limits.In = 3 })
	const q = "query ($s: [String!]) { products(where: {sku: {in: $s}}) { totalCount } }"
	if w := post(s, q, `{"s":["SKU-1","SKU-2","x"]}`); !strings.Contains(w.Body.String(), `"totalCount":2`) {
		t.Errorf("%s", w.Body)
	}
	if w := post(s, q, `{"s":["1","2","3","4"]}`); !strings.Contains(w.Body.String(), "in has too many values") {
		t.Errorf("%s", w.Body)
	}
}

func TestAnswerLimit(t *testing.T) {
	s, _ := seeded(t, func(o *Options) { o.Limits.Answer = 200 })
	if w := post(s, `{ products { nodes { sku nameAll price stock status } } }`, "{}"); !strings.Contains(w.Body.String(), "the answer is too large") {
		t.Errorf("%s", w.Body)
	}
}

// TestPlans: variables of one shape share a plan, and so do documents that differ in literals
// share a statement; another shape makes another.
func TestPlans(t *testing.T) {
	s, _ := seeded(t, nil)
	const q = "query ($w: ProductWhere, $n: Int) { products(where: $w, first: $n) { nodes { sku } } }"
	for _, v := range []string{`{"w":{"sku":{"eq":"SKU-1"}}}`, `{"w":{"sku":{"eq":"SKU-2"}}}`, `{"w":{"sku":{"ne":"SKU-2"}}}`, `{"w":{"sku":{"eq":"SKU-2"}},"n":1}`} {
		post(s, q, v)
	}
	doc, ok := s.documents.Get(q)
	if !ok || len(doc.plans) != 3 {
		t.Errorf("plans: %v, want 3", doc)
	}
	for i := range 3 * maxPlans {
		post(s, q, fmt.Sprintf(`{"n":%d}`, i))
	}
	if len(doc.plans) > maxPlans {
		t.Errorf("%d plans are kept", len(doc.plans))
	}
}
