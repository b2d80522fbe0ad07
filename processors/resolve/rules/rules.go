// Package rules is survivorship: in come the live contributions of one entity, out goes its
// view with the provenance of every field. It is a pure function (I2): every rule is a total
// order over the contributions' own content and never looks at arrival. docs/resolution.md
// explains each rule by example.
package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"tributary/mesh"
	"tributary/schemas"
)

// MaxKept is how many losers, and how many inputs of an aggregate, the provenance of a field
// names; the rest are counted.
const MaxKept = 8

// A Candidate is a contribution, or the mark of a held row, with its key.
type Candidate struct {
	Block     int // index of the entity's Contributions
	SourceKey string
	C         schemas.Contribution
}

// An Outcome says what became of an entity.
type Outcome struct {
	Exists   bool  // at least one row contributes to it
	Complete bool  // it exists, and its id and every required field have values: it is published
	Missing  []int // indices of required fields without value; reused by the next Resolve
}

// Rules are the compiled rules of one entity. They keep buffers between calls, so each
// goroutine needs its own.
type Rules struct {
	codec  *schemas.EntityCodec
	fields []field
	order  []int // indices of fields; leads of groups before their members
	blocks []block
	policy string

	scratch
}

// A block is where a candidate comes from.
type block struct {
	stream, name string
	place        int // among all blocks by (stream, name) bytewise
}

// A field with its rule, by block.
type field struct {
	*mesh.Field
	index int
	lead  int     // index of the group's lead, −1 for none
	takes []bool  // whether the block sets the field and its rule listens to it
	ranks []int32 // by block; lower wins

	owned     bool // blocks of a rank above 0 belong to systems that do not own the field
	nullable  bool // null is a value that can win
	recent    bool // the source time decides
	aggregate bool
	// ordered: ranks or times decide before (stream, block, source key) does.
	ordered bool
	limit   wide // of a decimal: 10^precision, which a sum must stay below
}

// Compile compiles the rules of an entity that the manifest's validation has passed.
func Compile(codec *schemas.EntityCodec) *Rules {
	e := codec.Entity
	r := &Rules{codec: codec, blocks: compileBlocks(e)}
	r.locales = map[string]string{}
	for i, f := range e.Fields {
		r.fields = append(r.fields, field{Field: f, index: i, lead: leadOf(e, i)})
	}
	for i := range r.fields {
		r.fields[i].compile(codec, r.fields[i].rule(r.fields))
		if r.fields[i].lead < 0 {
			r.order = append(r.order, i)
		}
	}
	for i := range r.fields {
		if r.fields[i].lead >= 0 {
			r.order = append(r.order, i)
		}
	}
	r.policy = policyOf(e)
	return r
}

// Policy is the short hash of the rules, as views carry it.
func (r *Rules) Policy() string { return r.policy }

// rule is the field's own rule, or that of its group's lead.
func (f *field) rule(all []field) mesh.Rule {
	if f.lead >= 0 {
		return all[f.lead].Rule
	}
	return f.Rule
}

func (f *field) compile(codec *schemas.EntityCodec, rule mesh.Rule) {
	own := *f.Field
	own.Rule, f.Field = rule, &own
	f.owned = rule.Name == mesh.Owner && len(rule.From) > 0
	f.nullable = rule.Name == mesh.Owner || rule.Name == mesh.Only
	f.recent = rule.Name == mesh.MostRecent
	f.aggregate = slices.Contains([]mesh.RuleName{mesh.Min, mesh.Max, mesh.Sum, mesh.Count}, rule.Name)
	ranked := rule.Name == mesh.Owner || rule.Name == mesh.Priority
	f.ordered = ranked || f.recent
	if f.Type.Kind == mesh.Decimal {
		f.limit = powerOf10(f.Type.Precision)
	}
	for _, b := range codec.Entity.Contributions {
		rank := slices.IndexFunc(rule.From, func(name string) bool { return name == b.From.ID() || name == b.From.System.Name })
		listens := rank >= 0 || ranked || len(rule.From) == 0
		switch {
		case !ranked:
			rank = 0
		case rank < 0:
			rank = len(rule.From)
		}
		f.takes = append(f.takes, listens && codec.Sets(b)[f.index])
		f.ranks = append(f.ranks, int32(rank))
	}
}

// foreign says whether the bid comes from a system that does not own the field.
func (f *field) foreign(b *bid) bool { return f.owned && b.rank > 0 }

func compileBlocks(e *mesh.Entity) []block {
	blocks := make([]block, len(e.Contributions))
	places := make([]int, len(blocks))
	for i, b := range e.Contributions {
		blocks[i] = block{stream: b.From.ID(), name: b.Name}
		places[i] = i
	}
	slices.SortStableFunc(places, func(i, j int) int {
		if c := strings.Compare(blocks[i].stream, blocks[j].stream); c != 0 {
			return c
		}
		return strings.Compare(blocks[i].name, blocks[j].name)
	})
	for place, i := range places {
		blocks[i].place = place
	}
	return blocks
}

// leadOf gives the index of the field whose winner field i takes, −1 for none.
func leadOf(e *mesh.Entity, i int) int {
	lead := -1
	for hops := 0; e.Fields[i].Group != "" && hops < len(e.Fields); hops++ {
		next := slices.IndexFunc(e.Fields, func(f *mesh.Field) bool { return f.Name == e.Fields[i].Group })
		if next < 0 {
			break
		}
		lead, i = next, next
	}
	return lead
}

func policyOf(e *mesh.Entity) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", e.Key)
	for _, f := range e.Fields {
		fmt.Fprintf(h, "%q %v %t %t %q %q %q\n", f.Name, f.Type, f.Required, f.Localized, f.Rule.Name, f.Rule.From, f.Group)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
