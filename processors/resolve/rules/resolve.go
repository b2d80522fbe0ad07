package rules

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"tributary/mesh"
	"tributary/schemas"
)

// scratch is memory that is reused between calls.
type scratch struct {
	id       string
	cands    []Candidate
	out      *schemas.View
	live     []int32 // candidates with a row, by (stream, block, source key)
	held     []int32
	sources  []int32 // by candidate: its index in Meta.Sources, −1 before it is referenced
	winners  []int32 // by field: the candidate that won, −1 for none
	byLocale []localeWinner
	bids     []bid
	entries  []schemas.LocaleValue
	chosen   []schemas.LocaleValue
	arena    []byte // values made here: sums, keys, merged locales
	missing  []int
	locales  map[string]string
}

// A bid is one candidate's value for a field, or for one locale of it. Null makes no bid.
type bid struct {
	cand   int32
	rank   int32 // lower wins
	time   int64 // µs since 1970, later wins; 0 unless the rule is most_recent
	locale []byte
	value  []byte
}

type localeWinner struct {
	field  int
	locale string
	cand   int32
}

// Resolve resolves the entity of that id from its candidates, at most one for each (block,
// source key, held or not) and in any order. It fills out.Values and out.Meta but for the
// version. What out holds is reused by the next Resolve into it, and its values point into the
// candidates and into the rules' own buffers: encode it before.
func (r *Rules) Resolve(id string, cands []Candidate, out *schemas.View) Outcome {
	r.begin(id, cands, out)
	r.addHeld()
	if len(r.live) == 0 {
		return Outcome{}
	}
	for _, i := range r.order {
		r.resolveField(&r.fields[i])
	}
	for i := range r.fields {
		if f := &r.fields[i]; out.Values[i] == nil && (f.Required || i == r.codec.KeyIndex) {
			r.missing = append(r.missing, i)
		}
	}
	return Outcome{Exists: true, Complete: len(r.missing) == 0, Missing: r.missing}
}

func (r *Rules) begin(id string, cands []Candidate, out *schemas.View) {
	r.id, r.cands, r.out = id, cands, out
	r.live, r.held, r.sources, r.winners = r.live[:0], r.held[:0], r.sources[:0], r.winners[:0]
	r.byLocale, r.arena, r.missing = r.byLocale[:0], r.arena[:0], r.missing[:0]
	for i := range cands {
		r.sources = append(r.sources, -1)
		if cands[i].C.Held != nil {
			r.held = append(r.held, int32(i))
		} else {
			r.live = append(r.live, int32(i))
		}
	}
	slices.SortFunc(r.live, r.compare)
	slices.SortFunc(r.held, r.compare)
	m := &out.Meta
	*m = schemas.Meta{Policy: r.policy, Sources: m.Sources[:0], Fields: m.Fields[:0], Held: m.Held[:0]}
	out.Values = out.Values[:0]
	for range r.fields {
		out.Values = append(out.Values, nil)
		r.winners = append(r.winners, -1)
	}
}

// compare is the order that breaks every tie: (stream, block, source key) bytewise. // I2
func (r *Rules) compare(i, j int32) int {
	a, b := &r.cands[i], &r.cands[j]
	if c := r.blocks[a.Block].place - r.blocks[b.Block].place; c != 0 {
		return c
	}
	if c := strings.Compare(a.SourceKey, b.SourceKey); c != 0 {
		return c
	}
	return bytes.Compare(b.C.Position[:], a.C.Position[:])
}

// addHeld lists the rows in the dead letters; a row that two blocks read is one.
func (r *Rules) addHeld() {
	for _, i := range r.held {
		c := &r.cands[i]
		row := schemas.HeldRow{Stream: r.blocks[c.Block].stream, SourceKey: c.SourceKey, DLQID: c.C.Held.DLQID, Time: c.C.Held.Time}
		if !slices.Contains(r.out.Meta.Held, row) {
			r.out.Meta.Held = append(r.out.Meta.Held, row)
		}
	}
}

func (r *Rules) resolveField(f *field) {
	switch {
	case f.index == r.codec.KeyIndex:
		p := r.provenance(f, "")
		p.Winner = r.source(r.live[0])
		r.out.Values[f.index] = r.keyValue(f)
	case f.Localized:
		r.resolveLocales(f)
	default:
		null := r.collect(f)
		value, winner := r.settle(f, r.bids, forced{r.leadWinner(f, ""), null}, "")
		r.out.Values[f.index], r.winners[f.index] = value, winner
	}
}

// keyValue is the canonical id as a value of the key's type: string, uuid or int. An id that is
// none stays null, so that the entity is incomplete.
func (r *Rules) keyValue(f *field) []byte {
	if r.id == "" {
		return nil
	}
	if f.Type.Kind != mesh.Int {
		return r.made(schemas.AppendString(r.arena, r.id))
	}
	v, err := strconv.ParseInt(r.id, 10, 64)
	if err != nil {
		return nil
	}
	return r.made(schemas.AppendLong(r.arena, v))
}

// collect fills bids with the field's non-null values and gives the first candidate that sets
// it to null where null is a value: under only, and under owner from the owner's rows.
func (r *Rules) collect(f *field) (null int32) {
	r.bids, null = r.bids[:0], -1
	for _, i := range r.live {
		c := &r.cands[i]
		if !f.takes[c.Block] || f.index >= len(c.C.Values) {
			continue
		}
		if v := c.C.Values[f.index]; v != nil {
			r.bids = append(r.bids, r.bid(f, i, v))
		} else if null < 0 && f.nullable && (!f.owned || f.ranks[c.Block] == 0) {
			null = i
		}
	}
	return null
}

func (r *Rules) bid(f *field, cand int32, value []byte) bid {
	c := &r.cands[cand]
	b := bid{cand: cand, rank: f.ranks[c.Block], value: value}
	if f.recent {
		b.time = c.C.SourceTime
	}
	return b
}

// source gives the index in Meta.Sources of a candidate, and lists it there once.
func (r *Rules) source(cand int32) int32 {
	if at := r.sources[cand]; at >= 0 {
		return at
	}
	c := &r.cands[cand]
	b := &r.blocks[c.Block]
	at := int32(len(r.out.Meta.Sources))
	r.out.Meta.Sources = append(r.out.Meta.Sources, schemas.SourceRef{Stream: b.stream, Block: b.name, SourceKey: c.SourceKey,
		Position: c.C.Position, SourceTime: c.C.SourceTime, CommitTime: c.C.CommitTime, TxID: c.C.TxID})
	r.sources[cand] = at
	return at
}

// provenance adds the provenance of a field or of one locale, reusing memory of an earlier call.
func (r *Rules) provenance(f *field, locale string) *schemas.Provenance {
	m := &r.out.Meta
	if len(m.Fields) < cap(m.Fields) {
		m.Fields = m.Fields[:len(m.Fields)+1]
	} else {
		m.Fields = append(m.Fields, schemas.Provenance{})
	}
	p := &m.Fields[len(m.Fields)-1]
	*p = schemas.Provenance{Field: f.Name, Locale: locale, Rule: string(f.Rule.Name), Winner: -1,
		Inputs: p.Inputs[:0], Losers: p.Losers[:0]}
	return p
}
