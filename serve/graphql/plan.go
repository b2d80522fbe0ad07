package graphql

import (
	"context"

	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
	"tributary/serve/rowmeta"
	"tributary/sinks/views"

	"github.com/vektah/gqlparser/v2/ast"
)

// A plan is an operation compiled for one shape of its variables. It never changes.
type plan struct{ roots []*root }

// rootKind says how a root field is answered.
type rootKind uint8

const (
	typename rootKind = iota
	schemaOf
	typeOf
	single // by id, or by a unique field
	list
	meshName
)

// A root is one field at the root, with its statement.
type root struct {
	as     string
	kind   rootKind
	field  *selected // of schemaOf and typeOf
	name   argument  // of typeOf
	entity *catalog.Entity
	unique bool // a lookup by a field that several entities could share

	stmt views.Statement
	args []argument
	// specs are the _meta that rows show; reads are the views that relations read besides.
	specs []rowmeta.Spec
	reads []*catalog.Entity
	conn  *connection

	locale views.Arg // the root field's locale, once it is needed
}

// A connection is a list's page. Its rows hold the selections of nodes and of edges' nodes one
// behind the other: parts, divided by a member named as the mark.
type connection struct {
	members []connMember
	parts   int
	// hidden is set where a part is added only to see which rows are held.
	hidden  bool
	first   argument
	tag     paging.Tag
	paged   bool // after is given
	bounds  freshness.Bounds
	rows    bool // whether rows are read at all
	count   bool
	cursors bool // of every row
	ends    bool // cursors of the first and the last row
}

type connKind uint8

const (
	connTypename connKind = iota
	connNodes
	connEdges
	connPage
	connCount
	connMeta
	edgeNode
	edgeCursor
	pageNext
	pagePrevious
	pageStart
	pageEnd
)

// A connMember is one member of a connection, an edge or a pageInfo.
type connMember struct {
	as       string
	kind     connKind
	typename string
	part     int
	sub      []connMember
	meta     []rowmeta.Member
}

// A compiler compiles one operation.
type compiler struct {
	server *Server
	limits *Limits
	vars   map[string]any
	root   *root

	spread, aliases int
	nodes           int64
	conditions      int // under the root field
	nesting         int // of where
}

func (s *Server) compile(op *ast.OperationDefinition, vars map[string]any) (*plan, *Error) {
	c := &compiler{server: s, limits: &s.limits, vars: vars}
	fields, err := c.collect([]ast.SelectionSet{op.SelectionSet})
	if err != nil {
		return nil, err
	}
	if len(fields) > s.limits.Roots {
		return nil, exceeds("the operation has too many fields at its root", s.limits.Roots, "split it")
	}
	p := &plan{}
	for _, f := range fields {
		c.root, c.conditions = &root{as: f.as, field: f}, 0
		if err := c.compileRoot(f); err != nil {
			return nil, err
		}
		p.roots = append(p.roots, c.root)
	}
	return p, nil
}

func (c *compiler) compileRoot(f *selected) *Error {
	switch f.name {
	case "__typename":
		return nil
	case "__schema":
		c.root.kind = schemaOf
		return nil
	case "__type":
		c.root.kind = typeOf
		in, _ := c.input(f.arg("name"))
		c.root.name = c.text(in)
		return nil
	}
	target, ok := c.server.targets[f.name]
	if !ok {
		c.root.kind = meshName
		return nil
	}
	c.root.entity = target.entity
	if target.by == nil {
		return c.compileList(f)
	}
	return c.compileSingle(f, target)
}

func (c *compiler) compileSingle(f *selected, target target) *Error {
	c.root.kind, c.root.unique = single, target.by != target.entity.Key
	in, _ := c.input(f.arg(target.by.Name))
	value, err := c.leaf(in, f.nodes[0].Definition.Arguments.ForName(target.by.Name).Type)
	if err != nil {
		return err
	}
	q := &views.Query{Entity: target.entity.Entity}
	if c.root.unique {
		q.First = c.addArg(constant(int64(2))) // enough to see that there are several
	}
	q.Where = &views.Cond{Op: views.Eq, Field: target.by.Field, Arg: c.addArg(value)}
	if err := c.visit(1, f.pos()); err != nil {
		return err
	}
	if q.Select, err = c.object(target.entity, f.selves, 1, 1, nil); err != nil {
		return err
	}
	return c.prepare(q, f.pos())
}

func (c *compiler) prepare(q *views.Query, pos *ast.Position) *Error {
	stmt, err := c.server.statements.Statement(context.Background(), q)
	if err != nil {
		return c.server.failed(err, c.root).at(pos)
	}
	c.root.stmt = stmt
	return nil
}

// visit counts objects that the answer may hold.
func (c *compiler) visit(n int64, pos *ast.Position) *Error {
	if c.nodes += n; c.nodes > c.limits.Nodes {
		return exceeds("the answer could hold too many objects", c.limits.Nodes, "lower first on the lists, the inner ones before all").at(pos)
	}
	return nil
}

// object compiles the selections on an entity. times is how many such objects there may be.
func (c *compiler) object(e *catalog.Entity, sets []ast.SelectionSet, depth int, times int64, items []views.Item) ([]views.Item, *Error) {
	fields, err := c.collect(sets)
	if err != nil {
		return nil, err
	}
	if len(fields) > 0 && depth > c.limits.Depth {
		return nil, exceeds("the operation is nested too deeply", c.limits.Depth, "ask for less at once").at(fields[0].pos())
	}
	asked := askedFields(e, fields)
	for _, f := range fields {
		item, err := c.item(e, f, depth, times, asked)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (c *compiler) item(e *catalog.Entity, f *selected, depth int, times int64, asked freshness.Bounds) (views.Item, *Error) {
	item := views.Item{As: f.as}
	switch f.name {
	case "__typename":
		item.Literal = e.Type
		return item, nil
	case "_meta":
		return c.metaItem(e, f, asked)
	}
	for _, r := range e.Relations {
		if r.Name == f.name {
			nested, err := c.relation(r, f, depth, times)
			item.Relation, item.Nested = r.Relation, nested
			return item, err
		}
	}
	for _, field := range e.Fields {
		switch f.name {
		case field.Name:
			item.Field = field.Field
			if field.Localized {
				item.Locale = c.fieldLocale(f)
			}
		case field.All:
			item.Field = field.Field
		}
	}
	return item, nil
}

func (c *compiler) relation(r *catalog.Relation, f *selected, depth int, times int64) (*views.Query, *Error) {
	q := &views.Query{Entity: r.Target.Entity}
	c.root.reads = append(c.root.reads, r.Target)
	if !r.One {
		in, _ := c.input(f.arg("where"))
		var err *Error
		if q.Where, err = c.where(r.Target, in); err != nil {
			return nil, err
		}
		if q.Order, _, err = c.order(r.Target, f.arg("orderBy")); err != nil {
			return nil, err
		}
		first, most, err := c.first(f)
		if err != nil {
			return nil, err
		}
		q.First = c.addArg(first)
		times *= max(most, 1)
	}
	if err := c.visit(times, f.pos()); err != nil {
		return nil, err
	}
	var err *Error
	q.Select, err = c.object(r.Target, f.selves, depth+1, times, nil)
	return q, err
}

// first compiles the argument first, and gives the most that it can be for this plan: the value
// of a variable is part of the plan's key.
func (c *compiler) first(f *selected) (argument, int64, *Error) {
	n := int64(paging.DefaultFirst)
	in, ok := c.input(f.arg("first"))
	switch {
	case !ok || in.null():
	case in.lit != nil:
		v, err := coerceScalar("Int", literal(in.lit))
		if err != nil {
			return nil, 0, inputError(err.Error()+".", in.pos())
		}
		n, _ = v.(int64)
	default:
		n, _ = in.val.(int64)
	}
	if err := paging.CheckFirst(n); err != nil {
		return nil, 0, inputError(err.Error()+".", f.pos())
	}
	return constant(n), n, nil
}
