package mesh

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DiffSignatures says in words, a line each, what changed from one signature of an entity to
// another: "field price: rule owner(erp) → priority(pim, erp)". Without a change it gives nil.
func DiffSignatures(before, after Signature) []string {
	var d differences
	d.text("", "key", before.Mapping.Key, after.Mapping.Key)
	for _, name := range names(before.Mapping.Fields, after.Mapping.Fields) {
		a, in := before.Mapping.Fields[name]
		b, still := after.Mapping.Fields[name]
		if d.presence("field "+name, in, still) {
			d.field("field "+name+": ", a, b, before.Rules[name], after.Rules[name])
		}
	}
	for _, name := range names(before.Mapping.Blocks, after.Mapping.Blocks) {
		a, in := before.Mapping.Blocks[name]
		b, still := after.Mapping.Blocks[name]
		if d.presence("contribution "+name, in, still) {
			d.block("contribution "+name+": ", a, b)
		}
	}
	return d
}

// differences are lines, one for each change.
type differences []string

// presence notes what was added or removed, and says whether the thing is on both sides.
func (d *differences) presence(what string, in, still bool) bool {
	switch {
	case !in:
		*d = append(*d, what+": added")
	case !still:
		*d = append(*d, what+": removed")
	}
	return in && still
}

// text notes a changed text; "" is one that is not there.
func (d *differences) text(where, what, before, after string) {
	switch {
	case before == after:
	case before == "":
		*d = append(*d, fmt.Sprintf("%s%s %s added", where, what, after))
	case after == "":
		*d = append(*d, fmt.Sprintf("%s%s %s removed", where, what, before))
	default:
		*d = append(*d, fmt.Sprintf("%s%s %s → %s", where, what, before, after))
	}
}

func (d *differences) flag(where, what string, before, after bool) {
	switch {
	case after && !before:
		*d = append(*d, where+"is now "+what)
	case before && !after:
		*d = append(*d, where+"is no longer "+what)
	}
}

func (d *differences) field(where string, a, b FieldSignature, ra, rb RuleSignature) {
	d.text(where, "type", a.Type, b.Type)
	d.text(where, "validate", a.Validate, b.Validate)
	d.flag(where, "localized", a.Localized, b.Localized)
	d.text(where, "rule", ra.String(), rb.String())
	d.text(where, "group", ra.Group, rb.Group)
	d.flag(where, "required", ra.Required, rb.Required)
	d.flag(where, "unique", ra.Unique, rb.Unique)
}

func (d *differences) block(where string, a, b BlockSignature) {
	d.text(where, "from", a.Stream, b.Stream)
	d.text(where, "kind", a.Kind, b.Kind)
	d.text(where, "table", a.Table, b.Table)
	d.text(where, "key", a.Key, b.Key)
	d.text(where, "when", a.When, b.When)
	d.text(where, "at", a.At, b.At)
	for _, field := range names(a.Set, b.Set) {
		d.text(where, "set "+field, a.Set[field], b.Set[field])
	}
}

// String gives the rule with what takes part: priority(pim, erp).
func (r RuleSignature) String() string {
	if len(r.From) == 0 {
		return string(r.Rule)
	}
	return string(r.Rule) + "(" + strings.Join(r.From, ", ") + ")"
}

// names gives the keys of both maps in order.
func names[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
