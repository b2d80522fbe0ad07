package catalog

import (
	"strings"
	"testing"

	"tributary/mesh"
)

func TestNames(t *testing.T) {
	for in, want := range map[string][3]string{
		"list_price":  {"listPrice", "ListPrice", "LIST_PRICE"},
		"listPrice":   {"listPrice", "ListPrice", "LIST_PRICE"},
		"sku":         {"sku", "Sku", "SKU"},
		"_internal_x": {"internalX", "InternalX", "INTERNAL_X"},
		"a_1":         {"a1", "A1", "A1"},
	} {
		camel := Camel(in)
		if got := [3]string{camel, Pascal(in), Screaming(camel)}; got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

func TestFaults(t *testing.T) {
	field := func(name string) *mesh.Field { return &mesh.Field{Name: name, Type: mesh.Type{Kind: mesh.String}} }
	localized := field("name")
	localized.Localized = true
	m := &mesh.Mesh{Entities: []*mesh.Entity{
		{Name: "a", Plural: "as", Key: "id", Fields: []*mesh.Field{field("id"), field("list_price"), field("listPrice")}},
		{Name: "b", Plural: "bs", Key: "id", Fields: []*mesh.Field{field("id"), localized, field("name_all")}},
		{Name: "c", Plural: "cs", Key: "nope", Fields: []*mesh.Field{field("id")}, Relations: []*mesh.Relation{{Name: "id"}}},
		{Name: "d", Plural: "ds", Key: "id", Fields: []*mesh.Field{field("id"), field("1st"), field("ä")}},
	}}
	_, err := New(m)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{
		`field list_price and field listPrice would both be called "listPrice"`, `would both be called "nameAll"`,
		`its key "nope" is not among its fields`, `relation id would both be called "id"`, `called "ä"`, `called "1st"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told in:\n%v", want, err)
		}
	}
	m = &mesh.Mesh{Entities: []*mesh.Entity{
		{Name: "sheep", Plural: "sheep", Key: "id", Fields: []*mesh.Field{field("id")}},
		{Name: "order_line", Plural: "lines", Key: "id", Fields: []*mesh.Field{field("id")}},
		{Name: "orderLine", Plural: "order_lines", Key: "id", Fields: []*mesh.Field{field("id")}},
	}}
	if _, err := New(m); err == nil || !strings.Contains(err.Error(), `"sheep"`) || !strings.Contains(err.Error(), `"orderLine"`) {
		t.Errorf("roots of one name: %v", err)
	}
}

func TestNegotiate(t *testing.T) {
	known := []string{"de", "en_US", "fr"}
	for header, want := range map[string]string{
		"": "en", "de": "de", "de-AT": "de", "en-us": "en_US", "it, fr;q=0.5": "fr", "fr;q=0.1, de;q=0.9": "de",
		"de;q=0": "en", "*": "en", "it": "en", ";;;,q=,": "en", "fr;q=x, de;q=0.2": "de",
	} {
		if got := Negotiate(header, known); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	if got := Negotiate("de-AT, en", nil); got != "de" {
		t.Errorf("no locales known: %s", got)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		kind mesh.Kind
		text string
		want any // nil: refused
	}{
		{mesh.Int, "-9223372036854775808", int64(-1 << 63)}, {mesh.Int, "9223372036854775808", nil}, {mesh.Int, "1.0", nil},
		{mesh.Float, "1e3", 1000.0}, {mesh.Float, "NaN", nil}, {mesh.Float, "x", nil},
		{mesh.Bool, "true", true}, {mesh.Bool, "1", nil},
		{mesh.Decimal, "-0.50", "-0.50"}, {mesh.Decimal, ".5", nil}, {mesh.Decimal, "1e3", nil}, {mesh.Decimal, strings.Repeat("9", 200), nil},
		{mesh.Timestamp, "2026-11-23T09:00:00.000001+01:00", "2026-11-23T08:00:00.000001Z"}, {mesh.Timestamp, "2026-11-23", nil},
		{mesh.Date, "2026-02-28", "2026-02-28"}, {mesh.Date, "2026-02-30", nil},
		{mesh.UUID, "2B6C1F2E-0D6A-4C0E-9F3B-0A1B2C3D4E5F", "2b6c1f2e-0d6a-4c0e-9f3b-0a1b2c3d4e5f"}, {mesh.UUID, "x", nil},
		{mesh.Bytes, "AP8=", "AP8="}, {mesh.Bytes, "?", nil}, {mesh.JSON, "{}", "{}"}, {mesh.JSON, "{", nil}, {mesh.String, "any", "any"},
	} {
		got, err := Parse(mesh.Type{Kind: c.kind}, c.text)
		if (err == nil) != (c.want != nil) || err == nil && got != c.want {
			t.Errorf("kind %d, %q: %v, %v", c.kind, c.text, got, err)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"price", "product", "stock"}
	for name, want := range map[string]string{"prize": ": did you mean price?", "STOCK": ": did you mean stock?", "xyz": ": there are price, product, stock", "": ": there are price, product, stock"} {
		if got := Suggest(name, known); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}
