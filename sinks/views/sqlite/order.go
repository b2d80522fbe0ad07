package sqlite

import (
	"fmt"
	"strings"

	"tributary/sinks/views"
)

// A term is one expression that rows are sorted by; the last one is the key.
type term struct {
	sql      string
	affinity string
	desc     bool
	isKey    bool
	name     string // of the column in an index; "" where it cannot be indexed
	col      int    // the result column, for the cursor
}

const mostTerms = 16

func (c *compiler) order(n *node, order []views.Order) error {
	if len(order) > mostTerms {
		return fmt.Errorf("entity %s: a query may sort by at most %d fields", n.table.entity.Name, mostTerms)
	}
	for _, o := range order {
		col, err := n.table.column(o.Field)
		if err != nil {
			return err
		}
		expr, err := c.expression(n, col, o.Locale)
		if err != nil {
			return err
		}
		t := term{sql: expr, affinity: col.affinity, desc: o.Desc, isKey: col.isKey}
		if !col.localized {
			t.name = col.indexName()
		}
		n.terms = append(n.terms, t)
		if col.isKey {
			return nil // what comes behind the key sorts nothing
		}
	}
	key := n.table.key
	n.terms = append(n.terms, term{sql: key.sql, affinity: key.affinity, isKey: true, name: key.indexName()})
	return nil
}

// A segment is a stretch of a query's order that an index can give as one range: keyset paging
// runs the segments behind a cursor one after the other until the page is full. An OR over
// them in one statement would make SQLite read and sort everything.
type segment struct {
	sql   string
	bound []int // the terms whose cursor values are bound, behind the node's slots
	limit int   // the number of the limit's parameter
}

// segment makes the SQL for the rows that the conditions leave, sorted by terms.
func (n *node) segment(conds []string, bound []int, terms []term) segment {
	var b strings.Builder
	b.WriteString("SELECT ")
	b.WriteString(strings.Join(n.columns, ", "))
	b.WriteString(n.from)
	b.WriteString(n.where(conds))
	for i, t := range terms {
		if i == 0 {
			b.WriteString(" ORDER BY ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(t.sql)
		switch {
		case t.desc: // nulls come last by themselves
			b.WriteString(" DESC")
		case !t.isKey:
			b.WriteString(" NULLS LAST")
		}
	}
	limit := len(n.slots) + len(bound) + 1
	// Of a bare parameter the planner would look at the value, and plan anew for each one.
	fmt.Fprintf(&b, " LIMIT ?%d+0", limit)
	return segment{b.String(), bound, limit}
}

// where is the WHERE of the node with further conditions.
func (n *node) where(further []string) string {
	conds := append(n.conds[:len(n.conds):len(n.conds)], further...)
	if len(conds) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conds, " AND ")
}

// segmentsBehind gives the segments behind a cursor, in order: first the rows that share all
// its values but the key's, then those that share fewer.
func (n *node) segmentsBehind(cursor []cell) []segment {
	var pattern uint64
	for i, c := range cursor {
		if c.null() {
			pattern |= 1 << i
		}
	}
	if have, ok := n.behind.Load(pattern); ok {
		return have.([]segment)
	}
	var out []segment
	for i := len(cursor) - 1; i >= 0; i-- {
		if cursor[i].null() {
			continue // nothing sorts behind null
		}
		prefix, bound := n.sharing(cursor[:i])
		t := n.terms[i]
		op := " > "
		if t.desc {
			op = " < "
		}
		behind := append(prefix[:len(prefix):len(prefix)], fmt.Sprintf("%s%s?%d", t.sql, op, len(n.slots)+len(bound)+1))
		nonNull := append([]term{t}, n.terms[i+1:]...)
		nonNull[0].isKey = true // not null here, so that an index serves without further ado
		out = append(out, n.segment(behind, append(bound[:len(bound):len(bound)], i), nonNull))
		if !t.isKey {
			null := append(prefix[:len(prefix):len(prefix)], t.sql+" IS NULL")
			out = append(out, n.segment(null, bound, n.terms[i+1:]))
		}
	}
	n.behind.Store(pattern, out)
	return out
}

// sharing is the condition that the first terms equal the cursor's, and the terms it binds.
func (n *node) sharing(cursor []cell) (conds []string, bound []int) {
	for i, c := range cursor {
		if c.null() {
			conds = append(conds, n.terms[i].sql+" IS NULL")
			continue
		}
		bound = append(bound, i)
		conds = append(conds, fmt.Sprintf("%s = ?%d", n.terms[i].sql, len(n.slots)+len(bound)))
	}
	return conds, bound
}

type wantedIndex struct {
	table *table
	index index
}

// longestIndex is the most columns of an index made for queries, the key not counted.
const longestIndex = 3

// wantIndex gives the index that serves a query best: the fields it wants equal, then those it
// sorts by, or else one that it compares; nil where the key's index serves.
func wantIndex(n *node, where *views.Cond, link *column) index {
	var x index
	add := func(name string) bool {
		if name != "" && !x.has(name) {
			x = append(x, name)
		}
		return name != ""
	}
	if link != nil {
		add(link.indexName())
	}
	equal, ranged := n.compared(where)
	for _, c := range n.table.columns { // in the entity's order, so that equal sets share an index
		if equal[c.field] {
			if c.isKey {
				return nil
			}
			add(c.indexName())
		}
	}
	for _, t := range n.terms {
		name := t.name
		if t.desc && name != "" {
			name += descending
		}
		if t.isKey || !add(name) {
			break
		}
	}
	if len(x) == 0 && ranged != nil && !ranged.isKey {
		add(ranged.indexName())
	}
	if len(x) == 0 || len(x) > longestIndex || link != nil && len(x) == 1 {
		return nil
	}
	last := n.terms[len(n.terms)-1]
	if last.desc {
		return append(x, last.name+descending)
	}
	return append(x, last.name)
}

// compared gives the fields that every row must equal an argument in, and one that is in a range.
func (n *node) compared(w *views.Cond) (equal map[string]bool, ranged *column) {
	equal = map[string]bool{}
	if w == nil {
		return equal, nil
	}
	conds := []*views.Cond{w}
	for len(conds) > 0 {
		w, conds = conds[0], conds[1:]
		if w.Op == views.And {
			conds = append(conds, w.Conds...)
			continue
		}
		if w.Field == nil {
			continue
		}
		col, err := n.table.column(w.Field)
		if err != nil || col.localized {
			continue
		}
		switch w.Op {
		case views.Eq, views.In:
			equal[col.field] = true
		case views.Gt, views.Gte, views.Lt, views.Lte, views.StartsWith:
			ranged = &col
		}
	}
	return equal, ranged
}
