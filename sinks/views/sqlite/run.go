package sqlite

import (
	"context"
	"fmt"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"tributary/sinks/views"
)

// read runs fn on a connection of the pool; snapshot gives all its statements one state.
func (s *Store) read(ctx context.Context, doing string, snapshot bool, fn func(r *reader) error) error {
	r, err := take(ctx, s, s.readers)
	if err != nil {
		return err
	}
	defer func() { s.readers <- r }()
	r.watch(ctx)
	err = r.inSnapshot(snapshot, fn)
	if r.unwatch() && err != nil {
		err = context.Cause(ctx)
	}
	r.rollback()
	return s.failed(doing, err)
}

func (r *reader) inSnapshot(snapshot bool, fn func(r *reader) error) error {
	if !snapshot {
		return fn(r)
	}
	if err := r.exec("BEGIN"); err != nil {
		return err
	}
	if err := fn(r); err != nil {
		return err
	}
	return r.exec("COMMIT")
}

// query runs a statement of the store itself.
func (r *reader) query(sql string, arg cell, row func(stmt *sqlite.Stmt)) error {
	return sqlitex.Execute(r.Conn, sql, &sqlitex.ExecOptions{
		Args:       []any{string(arg.b)},
		ResultFunc: func(stmt *sqlite.Stmt) error { row(stmt); return nil },
	})
}

// An execution is one run of a plan.
type execution struct {
	*reader
	args   []any
	places []place
}

// A place holds what rows of the outer query have in common.
type place struct {
	slots  []cell
	cursor []cell
	after  bool // whether there is a cursor
	first  int64
	// ready is the statement whose slots are bound; only the link changes from row to row.
	ready *sqlite.Stmt
}

// Run executes the plan. fn must not call the store: it holds a connection.
func (p *plan) Run(ctx context.Context, args []any, fn func(json, cursor []byte) error) error {
	if len(args) < int(p.args) {
		return fmt.Errorf("view store: read %s: %w: %d arguments where %d are needed", p.root.table.entity.Name, views.ErrArgument, len(args), p.args)
	}
	several := p.nodes > 1 || p.root.after != views.NoArg
	return p.store.read(ctx, "read "+p.root.table.entity.Name, several, func(r *reader) error {
		x := execution{reader: r, args: args, places: make([]place, p.nodes)}
		x.forget()
		return x.rows(p.root, cell{}, -1, fn)
	})
}

// Count runs the root's conditions alone.
func (p *plan) Count(ctx context.Context, args []any) (int64, error) {
	var count int64
	n := p.root
	err := p.store.read(ctx, "count "+n.table.entity.Name, false, func(r *reader) error {
		x := execution{reader: r, args: args}
		stmt, err := r.statement(0, "SELECT count(*)"+n.from+n.where(nil))
		if err != nil {
			return err
		}
		defer stmt.Reset()
		for i, slot := range n.slots[:n.whereSlots] {
			c, err := x.argument(slot)
			if err != nil {
				return err
			}
			c.bind(stmt, i+1)
		}
		_, err = stmt.Step()
		count = stmt.ColumnInt64(0)
		return err
	})
	return count, err
}

func (x *execution) argument(s slot) (cell, error) {
	if s.value == nil { // the link
		return cell{}, nil
	}
	if int(s.arg) > len(x.args) || s.arg < 1 {
		return cell{}, fmt.Errorf("%w: number %d is missing", views.ErrArgument, s.arg)
	}
	c, err := s.value(x.args[s.arg-1])
	if err != nil {
		return cell{}, fmt.Errorf("%w number %d: %w", views.ErrArgument, s.arg, err)
	}
	return c, nil
}

// place prepares what does not change between the rows of the outer query.
func (x *execution) place(n *node) (*place, error) {
	p := &x.places[n.place]
	if p.slots != nil {
		return p, nil
	}
	p.slots = make([]cell, len(n.slots))
	for i, s := range n.slots {
		c, err := x.argument(s)
		if err != nil {
			return nil, err
		}
		p.slots[i] = c
	}
	p.first = -1
	if n.first != views.NoArg {
		switch first := x.args[n.first-1].(type) {
		case nil:
		case int64:
			p.first = max(first, 0)
		default:
			return nil, fmt.Errorf("%w number %d: First is an int64, not %T", views.ErrArgument, n.first, first)
		}
	}
	if n.after == views.NoArg || x.args[n.after-1] == nil {
		return p, nil
	}
	text, ok := x.args[n.after-1].(string)
	if !ok {
		return nil, fmt.Errorf("%w number %d: a cursor is a string", views.ErrArgument, n.after)
	}
	affinities := make([]string, len(n.terms))
	for i, t := range n.terms {
		affinities[i] = t.affinity
	}
	cells, err := parseCursor([]byte(text), affinities)
	if err != nil {
		return nil, fmt.Errorf("%w number %d: %w", views.ErrArgument, n.after, err)
	}
	p.cursor, p.after = cells, true
	return p, nil
}

// rows appends a node's rows, at most as many as first and most (-1: any number). With fn,
// each row is handed over and forgotten; without, they are separated by commas.
func (x *execution) rows(n *node, link cell, most int64, fn func(json, cursor []byte) error) error {
	p, err := x.place(n)
	if err != nil {
		return err
	}
	left := p.first
	if most >= 0 && (left < 0 || left > most) {
		left = most
	}
	start := len(x.out)
	if !p.after {
		_, err := x.segment(n, p, n.start, link, left, start, fn)
		return err
	}
	for _, s := range n.segmentsBehind(p.cursor) {
		p.ready = nil
		given, err := x.segment(n, p, s, link, left, start, fn)
		if err != nil {
			return err
		}
		if left >= 0 {
			if left -= given; left <= 0 {
				return nil
			}
		}
	}
	return nil
}

func (x *execution) segment(n *node, p *place, s segment, link cell, left int64, start int, fn func(json, cursor []byte) error) (given int64, err error) {
	stmt, err := x.bind(n, p, s, link, left)
	if err != nil {
		return 0, err
	}
	defer func() {
		if resetErr := stmt.Reset(); err == nil {
			err = resetErr
		}
	}()
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return given, err
		}
		given++
		if fn == nil && len(x.out) > start {
			x.out = append(x.out, ',')
		}
		if err := x.object(n, stmt); err != nil {
			return given, err
		}
		if fn == nil {
			continue
		}
		if err := fn(x.out, x.appendCursor(n, stmt)); err != nil {
			return given, err
		}
		x.out = x.out[:0]
	}
}

// bind gives a segment's statement with its parameters bound.
func (x *execution) bind(n *node, p *place, s segment, link cell, left int64) (*sqlite.Stmt, error) {
	if p.ready == nil {
		stmt, err := x.statement(n.place, s.sql)
		if err != nil {
			return nil, err
		}
		for i, c := range p.slots {
			c.bind(stmt, i+1)
		}
		for i, t := range s.bound {
			p.cursor[t].bind(stmt, len(p.slots)+i+1)
		}
		p.ready = stmt
	}
	if !link.null() {
		link.bind(p.ready, 1)
	}
	p.ready.BindInt64(s.limit, left)
	return p.ready, nil
}

func (x *execution) object(n *node, stmt *sqlite.Stmt) error {
	if len(n.items) == 0 {
		x.out = append(x.out, "{}"...)
		return nil
	}
	for i := range n.items {
		x.out = append(x.out, n.items[i].name...)
		if err := n.items[i].member.write(x, stmt); err != nil {
			return err
		}
	}
	x.out = append(x.out, '}')
	return nil
}

// cell reads a result column into memory that the next call takes again.
func (x *execution) cell(stmt *sqlite.Stmt, col int) cell {
	var c cell
	c, x.scratch = readCell(stmt, col, x.scratch[:0])
	return c
}

func (x *execution) appendCursor(n *node, stmt *sqlite.Stmt) []byte {
	x.cursor = append(x.cursor[:0], '[')
	for i, t := range n.terms {
		if i > 0 {
			x.cursor = append(x.cursor, ',')
		}
		x.cursor = x.cell(stmt, t.col).appendLiteral(x.cursor)
	}
	x.cursor = append(x.cursor, ']')
	return x.cursor
}
