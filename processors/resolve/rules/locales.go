package rules

import (
	"bytes"
	"slices"

	"tributary/schemas"
)

// maxLocales bounds the texts of locales that are kept for reuse.
const maxLocales = 1024

// resolveLocales resolves each locale of a field by itself, and merges what won into a map with
// the locales in bytewise order. A field of which no locale has a value is null.
func (r *Rules) resolveLocales(f *field) {
	r.collectLocales(f)
	r.chosen = r.chosen[:0]
	for bids := r.bids; len(bids) > 0; {
		n := 1
		for n < len(bids) && bytes.Equal(bids[n].locale, bids[0].locale) {
			n++
		}
		locale := r.intern(bids[0].locale)
		entry := schemas.LocaleValue{Locale: bids[0].locale}
		var winner int32
		entry.Value, winner = r.settle(f, bids[:n], forced{r.leadWinner(f, locale), -1}, locale)
		if winner >= 0 {
			r.byLocale = append(r.byLocale, localeWinner{f.index, locale, winner})
		}
		if entry.Value != nil {
			r.chosen = append(r.chosen, entry)
		}
		bids = bids[n:]
	}
	if len(r.chosen) > 0 {
		r.out.Values[f.index] = r.made(schemas.AppendLocalized(r.arena, r.chosen))
	}
}

// collectLocales fills bids with one bid for each locale of each candidate, sorted by locale and
// then by (stream, block, source key). Decoding the contribution has
// made sure that the value is a map of the field's type.
func (r *Rules) collectLocales(f *field) {
	r.bids = r.bids[:0]
	for _, i := range r.live {
		c := &r.cands[i]
		if !f.takes[c.Block] || f.index >= len(c.C.Values) || c.C.Values[f.index] == nil {
			continue
		}
		entries, err := schemas.AppendLocales(r.entries[:0], f.Type, c.C.Values[f.index])
		r.entries = entries
		if err != nil {
			continue
		}
		for _, e := range entries {
			b := r.bid(f, i, e.Value)
			b.locale = e.Locale
			r.bids = append(r.bids, b)
		}
	}
	slices.SortStableFunc(r.bids, func(a, b bid) int { return bytes.Compare(a.locale, b.locale) })
}

func (r *Rules) intern(locale []byte) string {
	if s, ok := r.locales[string(locale)]; ok {
		return s
	}
	s := string(locale)
	if len(r.locales) < maxLocales {
		r.locales[s] = s
	}
	return s
}
