package rules

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"tributary/mesh"
	"tributary/schemas"
)

// testEntity has a block for each of crm.a, crm.b, erp.c and pim.d, which all set every field.
func testEntity(fields ...*mesh.Field) *mesh.Entity {
	e := &mesh.Entity{Name: "product", Key: "sku"}
	e.Fields = append(e.Fields, &mesh.Field{Name: "sku", Type: mesh.Type{Kind: mesh.String}, Required: true, Rule: mesh.Rule{Name: mesh.Only}})
	e.Fields = append(e.Fields, fields...)
	for _, id := range []string{"crm.a", "crm.b", "erp.c", "pim.d"} {
		system, stream, _ := strings.Cut(id, ".")
		b := &mesh.Block{Name: id, From: &mesh.Stream{System: &mesh.System{Name: system}, Name: stream}}
		for _, f := range fields {
			b.Set = append(b.Set, mesh.Assignment{Field: f.Name, Expr: "row." + f.Name})
		}
		e.Contributions = append(e.Contributions, b)
	}
	return e
}

// said is one row: "crm.a/key@time: value value …", "-" being null.
func said(e *mesh.Entity, text string) Candidate {
	head, tail, _ := strings.Cut(text, ": ")
	at := 0
	head, time, ok := strings.Cut(head, "@")
	if ok {
		fmt.Sscan(time, &at)
	}
	stream, key, _ := strings.Cut(head, "/")
	c := Candidate{SourceKey: key}
	c.C.SourceTime = int64(at)
	for i, b := range e.Contributions {
		if b.Name == stream {
			c.Block = i
		}
	}
	c.C.Values = append(c.C.Values, nil)
	for i, word := range strings.Fields(tail) {
		c.C.Values = append(c.C.Values, avroOf(e.Fields[i+1], word))
	}
	return c
}

func avroOf(f *mesh.Field, word string) []byte {
	switch {
	case word == "-":
		return nil
	case f.Localized:
		var entries []schemas.LocaleValue
		for _, pair := range strings.Split(word, ",") {
			locale, text, _ := strings.Cut(pair, "=")
			entries = append(entries, schemas.LocaleValue{Locale: []byte(locale), Value: schemas.AppendString(nil, text)})
		}
		return schemas.AppendLocalized(nil, entries)
	case f.Type.Kind == mesh.Int:
		var v int64
		fmt.Sscan(word, &v)
		return schemas.AppendLong(nil, v)
	case f.Type.Kind == mesh.Float:
		v, _ := strconv.ParseFloat(word, 64)
		return schemas.AppendDouble(nil, v)
	}
	return schemas.AppendString(nil, word)
}

// shown prints the fields behind the key: "name=value by winner! -loser -loser", ! for a conflict.
func shown(t *testing.T, e *mesh.Entity, v *schemas.View) string {
	t.Helper()
	var out []string
	for _, p := range v.Meta.Fields[1:] {
		i := 0
		for e.Fields[i].Name != p.Field {
			i++
		}
		value := v.Values[i]
		name := p.Field
		if e.Fields[i].Localized {
			name, value = name+"."+p.Locale, localeOf(t, e.Fields[i], value, p.Locale)
		}
		s := name + "=" + textOf(e.Fields[i], value)
		if p.Winner >= 0 {
			s += " by " + row(v, p.Winner)
		}
		if p.Conflict {
			s += "!"
		}
		for _, l := range p.Losers {
			s += " -" + row(v, l.Source) + "=" + textOf(e.Fields[i], l.Value)
		}
		if p.InputCount > 0 {
			s += fmt.Sprintf(" of %d", p.InputCount)
		}
		out = append(out, s)
	}
	return strings.Join(out, "; ")
}

func row(v *schemas.View, i int32) string {
	return v.Meta.Sources[i].Stream + "/" + v.Meta.Sources[i].SourceKey
}

func localeOf(t *testing.T, f *mesh.Field, value []byte, locale string) []byte {
	if value == nil {
		return nil
	}
	entries, err := schemas.AppendLocales(nil, f.Type, value)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if string(e.Locale) == locale {
			return e.Value
		}
	}
	return nil
}

func textOf(f *mesh.Field, value []byte) string {
	r := schemas.NewReader(value)
	switch {
	case value == nil:
		return "null"
	case f.Type.Kind == mesh.Int:
		return fmt.Sprint(r.Long())
	case f.Type.Kind == mesh.Float:
		return fmt.Sprint(r.Double())
	}
	return r.String()
}

func ruled(name string, kind mesh.Kind, rule mesh.RuleName, from ...string) *mesh.Field {
	return &mesh.Field{Name: name, Type: mesh.Type{Kind: kind}, Rule: mesh.Rule{Name: rule, From: from}}
}

// TestRules shows each rule on rows that are given in an order that must not matter.
func TestRules(t *testing.T) {
	str, num := mesh.String, mesh.Int
	group := func(f *mesh.Field, lead string) *mesh.Field { f.Group = lead; return f }
	localized := func(f *mesh.Field) *mesh.Field { f.Localized = true; return f }
	for _, c := range []struct {
		name   string
		fields []*mesh.Field
		rows   []string
		want   string
	}{
		{"only takes a null", one(ruled("f", str, mesh.Only)), []string{"crm.a/1: -"}, "f=null by crm.a/1"},
		{"only prefers a value", one(ruled("f", str, mesh.Only)), []string{"crm.a/2: x", "crm.a/1: -"}, "f=x by crm.a/2"},
		{"only takes the least row", one(ruled("f", str, mesh.Only)), []string{"crm.a/2: x", "crm.a/10: y", "crm.a/3: y"},
			"f=y by crm.a/10! -crm.a/2=x -crm.a/3=y"},
		{"owner keeps its null", one(ruled("f", str, mesh.Owner, "erp")), []string{"crm.a/1: x", "erp.c/1: -"},
			"f=null by erp.c/1! -crm.a/1=x"},
		{"owner sees a trespasser that agrees", one(ruled("f", str, mesh.Owner, "erp")), []string{"crm.a/1: x", "erp.c/1: x"},
			"f=x by erp.c/1! -crm.a/1=x"},
		{"owner absent", one(ruled("f", str, mesh.Owner, "erp")), []string{"crm.a/1: x", "pim.d/1: -"}, "f=null! -crm.a/1=x"},
		{"priority by system and stream", one(ruled("f", str, mesh.Priority, "crm.b", "erp", "crm")),
			[]string{"crm.a/1: x", "erp.c/1: x", "crm.b/1: -", "pim.d/1: z"}, "f=x by erp.c/1! -crm.a/1=x -pim.d/1=z"},
		{"priority agrees", one(ruled("f", str, mesh.Priority, "pim")), []string{"crm.a/1: x", "erp.c/1: x"}, "f=x by crm.a/1 -erp.c/1=x"},
		{"priority of nulls has no winner", one(ruled("f", str, mesh.Priority, "pim")), []string{"crm.a/1: -"}, "f=null"},
		{"most_recent, ties by the least row", one(ruled("f", str, mesh.MostRecent)),
			[]string{"pim.d/1@7: p", "erp.c/1@7: e", "crm.a/1@9: -", "crm.b/1@6: e"}, "f=e by erp.c/1! -pim.d/1=p -crm.b/1=e"},
		{"most_recent hears only some", one(ruled("f", str, mesh.MostRecent, "crm", "erp")),
			[]string{"pim.d/1@9: p", "erp.c/1@7: e"}, "f=e by erp.c/1"},
		{"aggregates", []*mesh.Field{ruled("a", num, mesh.Min), ruled("b", num, mesh.Max), ruled("c", num, mesh.Sum, "crm"), ruled("d", num, mesh.Count)},
			[]string{"crm.a/1: -3 5 1 1", "crm.b/1: 2 -7 -9 1", "erp.c/1: - 6 100 -"}, "a=-3 by crm.a/1 of 2; b=6 by erp.c/1 of 3; c=-8 of 2; d=2 of 2"},
		{"aggregates of nothing", []*mesh.Field{ruled("a", num, mesh.Min), ruled("c", num, mesh.Sum), ruled("d", num, mesh.Count)},
			[]string{"crm.a/1: - - -"}, "a=null; c=null; d=0"},
		{"an int sum may pass its bounds but not end there", []*mesh.Field{ruled("a", num, mesh.Sum), ruled("b", num, mesh.Sum)},
			[]string{"crm.a/1: 9223372036854775807 9223372036854775807", "crm.b/1: 1 1", "erp.c/1: -1 -"},
			"a=9223372036854775807 of 3; b=null! of 2"},
		{"a float sum has no order", one(ruled("f", mesh.Float, mesh.Sum)), []string{"crm.a/1: 1e100", "crm.b/1: 1", "erp.c/1: -1e100"}, "f=1 of 3"},
		{"a float sum may pass its bounds but not end there", []*mesh.Field{ruled("f", mesh.Float, mesh.Sum), ruled("g", mesh.Float, mesh.Sum), ruled("h", mesh.Float, mesh.Sum)},
			[]string{"crm.a/1: 1.7e308 1.7e308 1e999", "crm.b/1: 1.7e308 1.7e308 1", "erp.c/1: -1.7e308 - 1"}, "f=1.7e+308 of 3; g=null! of 2; h=+Inf of 3"},
		{"a group moves in lock-step", []*mesh.Field{group(ruled("cur", str, mesh.MostRecent), "f"), ruled("f", num, mesh.MostRecent)},
			[]string{"crm.a/1@1: EUR 1", "erp.c/1@2: - 2", "pim.d/1@3: USD -"}, "f=2 by erp.c/1! -crm.a/1=1; cur=null by erp.c/1 -pim.d/1=USD -crm.a/1=EUR"},
		{"a group follows the least", []*mesh.Field{ruled("f", num, mesh.Min), group(ruled("cur", str, mesh.Min), "f")},
			[]string{"crm.a/1: 2 EUR", "erp.c/1: 1 USD", "pim.d/1: 1 CHF"}, "f=1 by erp.c/1 of 3; cur=USD by erp.c/1! -crm.a/1=EUR -pim.d/1=CHF"},
		{"a group without winner is null", []*mesh.Field{group(ruled("cur", str, mesh.Priority), "f"), ruled("f", num, mesh.Priority)},
			[]string{"crm.a/1: EUR -"}, "f=null; cur=null -crm.a/1=EUR"},
		{"an owner's group", []*mesh.Field{ruled("f", num, mesh.Owner, "erp"), group(ruled("cur", str, mesh.Owner, "erp"), "f")},
			[]string{"erp.c/1: - EUR", "crm.a/1: 3 -"}, "f=null by erp.c/1! -crm.a/1=3; cur=EUR by erp.c/1"},
		{"locales by themselves", one(localized(ruled("f", str, mesh.Priority, "pim"))),
			[]string{"pim.d/2: de=B,en=E", "crm.a/1: fr=F,de=A", "erp.c/1: -"}, "f.de=B by pim.d/2! -crm.a/1=A; f.en=E by pim.d/2; f.fr=F by crm.a/1"},
		{"a locale that the owner lacks", one(localized(ruled("f", str, mesh.Owner, "pim"))),
			[]string{"pim.d/2: de=B", "crm.a/1: fr=F"}, "f.de=B by pim.d/2; f.fr=null! -crm.a/1=F"},
		{"a localized group", []*mesh.Field{localized(ruled("f", str, mesh.Priority, "pim")), group(localized(ruled("g", str, mesh.Priority)), "f")},
			[]string{"pim.d/1: de=A x=1", "crm.a/1: de=B,en=C de=b,en=c"}, "f.de=A by pim.d/1! -crm.a/1=B; f.en=C by crm.a/1; g.de=null by pim.d/1 -crm.a/1=b; g.en=c by crm.a/1; g.x=null -pim.d/1=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := testEntity(c.fields...)
			r := Compile(schemas.NewEntityCodec("acme", e))
			var cands []Candidate
			for _, text := range c.rows {
				cands = append(cands, said(e, text))
			}
			var v schemas.View
			for range cands {
				cands = append(cands[1:], cands[0])
				if out := r.Resolve("1", cands, &v); !out.Exists || !out.Complete {
					t.Errorf("outcome %+v", out)
				}
				if got := shown(t, e, &v); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
		})
	}
}

func one(f *mesh.Field) []*mesh.Field { return []*mesh.Field{f} }

func TestLosersAreCapped(t *testing.T) {
	e := testEntity(ruled("f", mesh.String, mesh.Priority), ruled("n", mesh.Int, mesh.Sum))
	r := Compile(schemas.NewEntityCodec("acme", e))
	var cands []Candidate
	for i := range 12 {
		cands = append(cands, said(e, fmt.Sprintf("crm.a/%02d: v%d 1", i, i)))
	}
	var v schemas.View
	r.Resolve("1", cands, &v)
	f, n := v.Meta.Fields[1], v.Meta.Fields[2]
	if len(f.Losers) != MaxKept || f.LoserCount != 11 || len(n.Inputs) != MaxKept || n.InputCount != 12 || len(v.Meta.Sources) != 9 {
		t.Errorf("%d of %d losers, %d of %d inputs, %d sources", len(f.Losers), f.LoserCount, len(n.Inputs), n.InputCount, len(v.Meta.Sources))
	}
}

func TestOutcome(t *testing.T) {
	need := ruled("f", mesh.String, mesh.Only)
	need.Required = true
	e := testEntity(need)
	r := Compile(schemas.NewEntityCodec("acme", e))
	var v schemas.View
	held := Candidate{SourceKey: "9", C: schemas.Contribution{Held: &schemas.Held{DLQID: "d", Time: 4}}}
	twin := held
	if out := r.Resolve("1", []Candidate{held, twin}, &v); out.Exists || len(v.Meta.Held) != 1 || v.Meta.Held[0].DLQID != "d" {
		t.Errorf("a held mark alone makes no entity: %+v %+v", out, v.Meta.Held)
	}
	if out := r.Resolve("1", []Candidate{said(e, "crm.a/1: -")}, &v); !out.Exists || out.Complete || len(out.Missing) != 1 || out.Missing[0] != 1 {
		t.Errorf("without its required field: %+v", out)
	}
	if out := r.Resolve("", []Candidate{said(e, "crm.a/1: x")}, &v); !out.Exists || out.Complete || out.Missing[0] != 0 {
		t.Errorf("without an id: %+v", out)
	}
	if out := r.Resolve("1", []Candidate{said(e, "crm.a/1: x"), held}, &v); !out.Complete || len(v.Meta.Held) != 1 {
		t.Errorf("a held row beside a good one: %+v", out)
	}
	if r.Resolve("1", nil, &v).Exists || v.Values[1] != nil || len(v.Meta.Sources) != 0 {
		t.Errorf("nothing is left of a deleted entity: %+v", v)
	}
}
