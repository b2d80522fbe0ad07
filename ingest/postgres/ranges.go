package postgres

import (
	"cmp"
	"math"
	"slices"
)

// tableEnd is behind the last page that a table may ever have.
const tableEnd = math.MaxInt64

// A span of a table's pages: from the first up to, not including, the second.
type span [2]int64

// cut divides a span into pieces of at most step pages. The last piece of a table of so many pages
// is open, as the table may have grown.
func (s span) cut(step, pages int64) (out []span) {
	for end := min(s[1], pages); end-s[0] > step; s[0] += step {
		out = append(out, span{s[0], s[0] + step})
	}
	return append(out, s)
}

// spans are in order, none empty, and do not touch.
type spans []span

// with gives the spans and one more.
func (s spans) with(one span) spans {
	all := append(slices.Clone(s), one)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a[0], b[0]) })
	out := all[:1]
	for _, next := range all[1:] {
		if last := &out[len(out)-1]; next[0] <= last[1] {
			last[1] = max(last[1], next[1])
		} else {
			out = append(out, next)
		}
	}
	return out
}

// gaps gives the spans of a table that are not among these.
func (s spans) gaps() (out spans) {
	from := int64(0)
	for _, one := range s {
		if one[0] > from {
			out = append(out, span{from, one[0]})
		}
		from = one[1]
	}
	if from < tableEnd {
		out = append(out, span{from, tableEnd})
	}
	return out
}

// A pageRange is one read of a snapshot.
type pageRange struct {
	span
	table int
	// since, where it is not 0, leaves out what transactions before it wrote.
	since int64
}

// ranges cuts what is to be read of the tables. Reading by ctid is fast from version 14 on (TID
// range scan); other tables are read whole.
//
// A later try of a first snapshot reads what the earlier ones left, and of the pages that they have
// read the rows that were written since. A row that is there now is thereby read by one of them: it
// stands in a page that is read now, or was written since, or it was there before, in the same
// place, as a table whose files were replaced is not gone on with. All else that happened since
// comes in the change stream, which begins where the first try did.
func (sn *snapshot) ranges() (out []pageRange) {
	step := int64(sn.source.tuning.RangePages)
	add := func(table int, since int64, parts spans) {
		for _, part := range parts {
			for _, piece := range part.cut(step, sn.tables[table].pages) {
				out = append(out, pageRange{span: piece, table: table, since: since})
			}
		}
	}
	for i := range sn.tables {
		t := &sn.tables[i]
		switch {
		case !t.paged && len(t.begun.Read) == 0:
			out = append(out, pageRange{span: span{0, tableEnd}, table: i})
		case t.paged:
			add(i, 0, t.begun.Read.gaps())
			add(i, t.begun.XMin, t.begun.Read)
		}
	}
	return out
}
