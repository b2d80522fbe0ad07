package reference

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"tributary/mesh"
)

// choose settles one slot among contributions that stand by (stream, block, key).
func choose(e *mesh.Entity, f *mesh.Field, slot string, cons []contribution, done map[string]Field) Field {
	var bids, nulls []*contribution
	for i := range cons {
		c := &cons[i]
		value, sets := c.fields[slot]
		switch {
		case !sets || !takesPart(f.Rule, c):
		case value == nil:
			nulls = append(nulls, c)
		default:
			bids = append(bids, c)
		}
	}
	if f.Group != "" {
		return follow(e, f, slot, cons, bids, done)
	}
	switch f.Rule.Name {
	case mesh.Min, mesh.Max, mesh.Sum, mesh.Count:
		return aggregate(f, slot, bids)
	}
	rank(f.Rule, bids)
	var winner *contribution
	switch {
	case len(bids) > 0 && !trespasses(f.Rule, bids[0]):
		winner = bids[0]
	case f.Rule.Name == mesh.Only && len(nulls) > 0:
		winner = nulls[0]
	case f.Rule.Name == mesh.Owner:
		for _, c := range slices.Backward(nulls) {
			if !trespasses(f.Rule, c) {
				winner = c
			}
		}
	}
	return won(f, slot, winner, bids)
}

// follow gives a member of a group the value that the lead's winner sets.
func follow(e *mesh.Entity, f *mesh.Field, slot string, cons []contribution, bids []*contribution, done map[string]Field) Field {
	lead := e.Field(f.Group)
	of := lead.Name
	if _, locale, ok := strings.Cut(slot, "/"); ok && lead.Localized {
		of += "/" + locale
	}
	rank(lead.Rule, bids)
	var winner *contribution
	for i := range cons {
		if cons[i].name() == done[of].Winner {
			winner = &cons[i]
		}
	}
	return won(f, slot, winner, bids)
}

// won puts a winner and its losers together; a nil winner is none.
func won(f *mesh.Field, slot string, winner *contribution, bids []*contribution) (out Field) {
	if winner != nil {
		out.Winner, out.Value = winner.name(), winner.fields[slot]
	}
	for _, b := range bids {
		if b == winner {
			continue
		}
		out.Losers = append(out.Losers, b.name()+"="+Text(b.fields[slot]))
		if trespasses(f.Rule, b) || out.Value != nil && Text(out.Value) != Text(b.fields[slot]) {
			out.Conflict = true
		}
	}
	return out
}

// rank sorts bids by what a rule puts first; equals stay by (stream, block, key).
func rank(r mesh.Rule, bids []*contribution) {
	slices.SortStableFunc(bids, func(a, b *contribution) int {
		switch r.Name {
		case mesh.Owner, mesh.Priority:
			return place(r, a) - place(r, b)
		case mesh.MostRecent:
			return int(b.time - a.time)
		}
		return 0
	})
}

// place gives where in From the contribution's system or stream stands.
func place(r mesh.Rule, c *contribution) int {
	for i, name := range r.From {
		if name == c.system || name == c.stream {
			return i
		}
	}
	return len(r.From)
}

func trespasses(r mesh.Rule, c *contribution) bool { return r.Name == mesh.Owner && place(r, c) > 0 }

// takesPart says whether the rule listens to the contribution at all.
func takesPart(r mesh.Rule, c *contribution) bool {
	return len(r.From) == 0 || r.Name == mesh.Owner || r.Name == mesh.Priority || place(r, c) < len(r.From)
}

func aggregate(f *mesh.Field, slot string, bids []*contribution) Field {
	out := Field{Inputs: len(bids)}
	var values []any
	for _, b := range bids {
		values = append(values, b.fields[slot])
	}
	switch {
	case f.Rule.Name == mesh.Count:
		out.Value = int64(len(values))
	case len(values) == 0:
	case f.Rule.Name == mesh.Min, f.Rule.Name == mesh.Max:
		out.Value = slices.MinFunc(values, compare)
		if f.Rule.Name == mesh.Max {
			out.Value = slices.MaxFunc(values, compare)
		}
		first := slices.IndexFunc(values, func(v any) bool { return compare(v, out.Value) == 0 })
		out.Winner = bids[first].name()
	default:
		out.Value = sum(f, values)
		out.Conflict = out.Value == nil
	}
	return out
}

// sum gives nil where the sum does not fit the field's type.
func sum(f *mesh.Field, values []any) any {
	total, special := new(big.Rat), 0.0
	for _, v := range values {
		if x, ok := v.(float64); ok && (math.IsNaN(x) || math.IsInf(x, 0)) {
			special += x
			continue
		}
		total.Add(total, ratOf(v))
	}
	switch f.Type.Kind {
	case mesh.Int:
		if !total.Num().IsInt64() {
			return nil
		}
		return total.Num().Int64()
	case mesh.Decimal:
		if !fits(total, f.Type) {
			return nil
		}
		return total
	}
	if special != 0 {
		return special
	}
	x, _ := total.Float64()
	if math.IsInf(x, 0) {
		return nil
	}
	return x
}
