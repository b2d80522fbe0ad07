package rules

import (
	"bytes"
	"math"
	"slices"

	"tributary/mesh"
	"tributary/schemas"
)

// forced says which candidate wins whatever the bids say: the winner of the group's lead. null
// is the candidate that wins where nobody bids. Both are −1 for none.
type forced struct{ lead, null int32 }

// noLead is the lead's winner of a field without group.
const noLead = math.MinInt32

// leadWinner gives the candidate that won the lead of the field's group, −1 where the lead has
// no winner, noLead without a group.
func (r *Rules) leadWinner(f *field, locale string) int32 {
	if f.lead < 0 {
		return noLead
	}
	if lead := &r.fields[f.lead]; !lead.Localized {
		return r.winners[f.lead]
	}
	for _, w := range r.byLocale {
		if w.field == f.lead && w.locale == locale {
			return w.cand
		}
	}
	return -1
}

// settle decides among the bids for a field or one locale of it, which stand in the order of
// (stream, block, source key), and adds the provenance.
func (r *Rules) settle(f *field, bids []bid, by forced, locale string) (value []byte, winner int32) {
	p := r.provenance(f, locale)
	if f.ordered {
		sortBids(bids)
	}
	switch {
	case by.lead != noLead:
		winner = by.lead
		if at := slices.IndexFunc(bids, func(b bid) bool { return b.cand == winner }); at >= 0 {
			value = bids[at].value
			bids = slices.Delete(bids, at, at+1)
		}
	case f.aggregate:
		return r.aggregate(f, bids, p)
	case len(bids) > 0 && !f.foreign(&bids[0]):
		winner, value, bids = bids[0].cand, bids[0].value, bids[1:]
	default:
		winner = by.null
	}
	if winner >= 0 {
		p.Winner = r.source(winner)
	}
	r.addLosers(f, p, value, bids)
	return value, winner
}

// sortBids keeps the order of bids with equal rank and time. Few bids are the rule, and are
// mostly in order.
func sortBids(bids []bid) {
	if len(bids) > 16 {
		slices.SortStableFunc(bids, func(a, b bid) int {
			if a.before(&b) {
				return -1
			}
			if b.before(&a) {
				return 1
			}
			return 0
		})
		return
	}
	for i := 1; i < len(bids); i++ {
		for j := i; j > 0 && bids[j].before(&bids[j-1]); j-- {
			bids[j], bids[j-1] = bids[j-1], bids[j]
		}
	}
}

func (b *bid) before(o *bid) bool { return b.rank < o.rank || b.rank == o.rank && b.time > o.time }

// addLosers lists the bids that lost. They are in conflict with the winner where values differ,
// or where their system does not own the field.
func (r *Rules) addLosers(f *field, p *schemas.Provenance, value []byte, bids []bid) {
	p.LoserCount = int64(len(bids))
	for i := range bids {
		b := &bids[i]
		if i < MaxKept {
			p.Losers = append(p.Losers, schemas.Loser{Source: r.source(b.cand), Value: b.value})
		}
		if f.foreign(b) || value != nil && !same(f.Type.Kind, value, b.value) {
			p.Conflict = true
		}
	}
}

// same says whether two Avro values are equal; NaN equals NaN, and 0 equals −0.
func same(k mesh.Kind, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if k != mesh.Float {
		return false
	}
	x, y := double(a), double(b)
	return x == y || x != x && y != y
}

func double(v []byte) float64 {
	r := schemas.NewReader(v)
	return r.Double()
}
