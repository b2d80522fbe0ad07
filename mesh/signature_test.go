package mesh_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"tributary/internal/golden"
	"tributary/mesh"
)

// product parses the example after replacements and gives its product.
func product(t *testing.T, replacements ...string) *mesh.Entity {
	t.Helper()
	text, err := os.ReadFile("testdata/example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for i := 0; i < len(replacements); i += 2 {
		if !strings.Contains(changed, replacements[i]) {
			t.Fatalf("the example does not hold %q", replacements[i])
		}
		changed = strings.Replace(changed, replacements[i], replacements[i+1], 1)
	}
	m, err := mesh.Parse([]mesh.File{{Name: "mesh.yaml", Text: []byte(changed)}}, environment)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range m.Entities {
		if e.Name == "product" {
			return e
		}
	}
	t.Fatal("no product")
	return nil
}

func TestHashesSeeWhatMatters(t *testing.T) {
	const same, mapping, rule = "same", "mapping", "rule"
	base := product(t)
	for _, c := range []struct {
		old, new string
		changes  string
		diff     []string
	}{
		{"owner: commerce@acme.example\nfields:\n  sku:", "description: articles\nfields:\n  sku:", same, nil},
		{"freshness: { warn: 10s, error: 60s }", "description: net, classification: pii", same, nil},
		{"  stock:    { type: int, rule: sum, from: [wms] }\n  brand:    { type: string, rule: priority, from: [pim, erp] }   # first that has a value\n",
			"  brand: { from: [pim, erp], rule: priority, type: string }\n  stock: { type: int, rule: sum, from: [wms] }\n", same, nil},
		{`when: row.lvorm == ""  `, `when: "  row.lvorm == '' "`, mapping, []string{`contribution erp.material: when row.lvorm == "" → row.lvorm == ''`}},
		{"{ price: row.netpr, currency: row.waers }", "{ currency: row.waers, price: row.netpr }", same, nil},
		{"from: [pim, erp]", "from: [erp, pim]", rule, []string{"field brand: rule priority(pim, erp) → priority(erp, pim)"}},
		{"owner: pim }", "rule: priority, from: [pim] }", rule, []string{"field name: rule owner(pim) → priority(pim)"}},
		{"owner: erp, group: price }", "owner: erp }", rule, []string{"field currency: rule owner(erp) added", "field currency: group price removed"}},

		{"rule: most_recent, ", "rule: most_recent, required: true, unique: true, ", rule, []string{"field contact: is now required", "field contact: is now unique"}},
		{"decimal(12,2)", "decimal(14,2)", mapping, []string{"field price: type decimal(12,2) → decimal(14,2)"}},
		{"type: int, rule: sum", "type: int, validate: value >= 0, rule: sum", mapping, []string{"field stock: validate value >= 0 added"}},
		{"row.netpr", "row.netpr2", mapping, []string{"contribution erp.material: set price row.netpr → row.netpr2"}},
		{"key:  row.identifier", "key:  row.id", mapping, []string{"contribution pim.product: key row.identifier → row.id"}},
		{"    at:   row.updated_at  ", "    # at ", mapping, []string{"contribution pim.product: at row.updated_at removed"}},
		{"public.material }", "public.mara }", mapping, []string{"contribution erp.material: table public.material → public.mara"}},
		{"- from: wms.stock", "- name: bins\n    from: wms.stock", mapping, []string{"contribution bins: added", "contribution wms.stock: removed"}},
		{"{ brand: row.brand, contact", "{ brand: row.marke, contact", mapping, []string{"contribution pim.product: set brand row.brand → row.marke"}},
	} {
		e := product(t, c.old, c.new)
		changes := same
		switch {
		case e.MappingHash() != base.MappingHash():
			changes = mapping
		case e.RuleHash() != base.RuleHash():
			changes = rule
		}
		if changes != c.changes {
			t.Errorf("%s → %s: changes %s, want %s", c.old, c.new, changes, c.changes)
		}
		if got := mesh.DiffSignatures(base.Signature(), e.Signature()); !reflect.DeepEqual(got, c.diff) {
			t.Errorf("%s → %s:\ngot  %q\nwant %q", c.old, c.new, got, c.diff)
		}
		if differs := base.Signature().MappingDiffers(e.Signature()); differs != (changes == mapping) {
			t.Errorf("%s → %s: MappingDiffers %v", c.old, c.new, differs)
		}
		if (base.Signature().Hash() == e.Signature().Hash()) != (changes == same) {
			t.Errorf("%s → %s: Hash does not tell", c.old, c.new)
		}
	}
}

// Only for priority does the order of from mean something.
func TestHashOfFromHasNoOrder(t *testing.T) {
	const old = "rule: most_recent, "
	a, b := product(t, old, old+"from: [pim, erp], "), product(t, old, old+"from: [erp, pim], ")
	if a.RuleHash() != b.RuleHash() {
		t.Errorf("%q", mesh.DiffSignatures(a.Signature(), b.Signature()))
	}
}

func TestDiffNamesFieldsThatCameAndWent(t *testing.T) {
	e := product(t, "  contact:  {", "  editor:  {", "contact: row.editor", "editor: row.editor")
	got := mesh.DiffSignatures(product(t).Signature(), e.Signature())
	want := []string{"field contact: removed", "field editor: added", "contribution pim.product: set contact row.editor removed", "contribution pim.product: set editor row.editor added"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q", got)
	}
}

// A signature is stored, and must read back as what it was. The hash is pinned: another one
// would make every mesh rebuild its views after an upgrade.
func TestSignatureIsStable(t *testing.T) {
	s := product(t).Signature()
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/signature.golden", string(text)+"\n"+s.Hash()+"\n")
	var back mesh.Signature
	if err := json.Unmarshal(text, &back); err != nil || mesh.DiffSignatures(s, back) != nil || back.Hash() != s.Hash() {
		t.Errorf("the signature does not read back: %v %q", err, mesh.DiffSignatures(s, back))
	}
}
