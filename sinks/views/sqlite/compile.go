package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"tributary/sinks/views"
)

// A plan is a compiled query: a tree of nodes, one statement each, run in one snapshot. A
// relation's statement is run for each row above it: in-process that costs no more than one
// statement of correlated subqueries, its SQL does not depend on the names and nesting of a
// document, and the JSON is written once, by Go, which is faster than SQLite's functions.
type plan struct {
	store *Store
	root  *node
	nodes int
	args  views.Arg // the highest
}

// mostNodes keeps the statements of one plan together in a connection's cache.
const mostNodes = statementsKept / 4

// A node is a query at one place of the tree.
type node struct {
	place        int
	table        *table
	from         string
	conds        []string // of WHERE
	slots        []slot   // the parameters; of a relation the first is the link
	whereSlots   int      // how many of them conds have
	locales      map[views.Arg]string
	columns      []string
	items        []item
	terms        []term
	one          bool
	after, first views.Arg
	start        segment
	behind       sync.Map // of a cursor's null pattern (uint64) to []segment
}

// A slot is a parameter that an argument fills; the link's has none.
type slot struct {
	arg   views.Arg
	value func(arg any) (cell, error)
}

// A compiler turns a query into nodes.
type compiler struct {
	plan   *plan
	tables map[string]*table
	wanted []wantedIndex
}

// Prepare compiles a query. It makes the index that the query's equalities and order want,
// within Options.Indexes.
func (s *Store) Prepare(ctx context.Context, q *views.Query) (views.Statement, error) {
	c := compiler{plan: &plan{store: s}}
	s.mu.RLock()
	c.tables = s.tables
	root, err := c.node(q, nil)
	s.mu.RUnlock()
	if err != nil {
		return nil, fmt.Errorf("view store: prepare: %w", err)
	}
	c.plan.root = root
	for _, w := range c.wanted {
		if err := s.ensureIndex(ctx, w.table, w.index); err != nil {
			return nil, err
		}
	}
	return c.plan, s.try(ctx, root)
}

// try has SQLite compile the root's statement, so that a fault shows here.
func (s *Store) try(ctx context.Context, n *node) error {
	return s.read(ctx, "prepare "+n.table.entity.Name, false, func(r *reader) error {
		_, err := r.statement(n.place, n.start.sql)
		return err
	})
}

// node compiles a query; link is the target's column where it is a relation's.
func (c *compiler) node(q *views.Query, link *column) (*node, error) {
	t := c.tables[q.Entity.Name]
	if t == nil {
		return nil, fmt.Errorf("entity %s: %w", q.Entity.Name, views.ErrUndefined)
	}
	n := &node{place: c.plan.nodes, table: t, after: q.After, first: q.First, locales: map[views.Arg]string{}}
	if c.plan.nodes++; c.plan.nodes > mostNodes {
		return nil, fmt.Errorf("a query may have at most %d relations", mostNodes)
	}
	c.uses(q.After, q.First)
	n.from = " FROM " + t.name
	if link != nil {
		n.slots = append(n.slots, slot{})
		n.conds = append(n.conds, link.sql+" = ?1")
	}
	if q.Where != nil {
		sql, err := c.cond(n, q.Where)
		if err != nil {
			return nil, err
		}
		n.conds = append(n.conds, sql)
	}
	n.whereSlots = len(n.slots)
	if err := errors.Join(c.order(n, q.Order), c.selects(n, q)); err != nil {
		return nil, err
	}
	for i := range n.terms {
		n.terms[i].col = n.result(n.terms[i].sql)
	}
	n.start = n.segment(nil, nil, n.terms)
	if x := wantIndex(n, q.Where, link); x != nil {
		c.wanted = append(c.wanted, wantedIndex{t, x})
	}
	return n, nil
}

// uses notes the arguments a query has.
func (c *compiler) uses(args ...views.Arg) {
	for _, a := range args {
		c.plan.args = max(c.plan.args, a)
	}
}

// slot adds a parameter and gives its SQL.
func (n *node) slot(arg views.Arg, value func(arg any) (cell, error)) string {
	n.slots = append(n.slots, slot{arg, value})
	return fmt.Sprintf("?%d", len(n.slots))
}

// result gives the number of a result column, adding it if it is new.
func (n *node) result(sql string) int {
	for i, have := range n.columns {
		if have == sql {
			return i
		}
	}
	n.columns = append(n.columns, sql)
	return len(n.columns) - 1
}

// expression is the SQL of a column, of a localized one in a locale.
func (c *compiler) expression(n *node, col column, locale views.Arg) (string, error) {
	if !col.localized {
		return col.sql, nil
	}
	if locale == views.NoArg {
		return "", fmt.Errorf("entity %s, field %s: a localized field is compared in a locale", n.table.entity.Name, col.field)
	}
	c.uses(locale)
	path, ok := n.locales[locale]
	if !ok { // one parameter a locale, so that equal expressions are one result column
		path = n.slot(locale, localeArgument)
		n.locales[locale] = path
	}
	return col.inLocale(col.sql, path), nil
}
