package graphql

import (
	"github.com/vektah/gqlparser/v2/ast"

	"tributary/mesh"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
	"tributary/sinks/views"
)

func (c *compiler) compileList(f *selected) *Error {
	e, conn := c.root.entity, &connection{bounds: freshness.BoundsOf(nil)}
	c.root.kind, c.root.conn = list, conn
	q := &views.Query{Entity: e.Entity}
	in, _ := c.input(f.arg("where"))
	var err *Error
	if q.Where, err = c.where(e, in); err != nil {
		return err
	}
	var order []string
	if q.Order, order, err = c.order(e, f.arg("orderBy")); err != nil {
		return err
	}
	conn.tag = paging.TagOf(e.Entity.Name, order...)
	first, most, err := c.first(f)
	if err != nil {
		return err
	}
	conn.first = first
	q.First = c.addArg(constant(most + 1)) // one more tells whether there is a next page
	c.after(q, f)
	fields, err := c.collect(f.selves)
	if err != nil {
		return err
	}
	if conn.members, err = c.connMembers(q, fields, max(most, 1)); err != nil {
		return err
	}
	if conn.hidden {
		c.part(q)
		q.Select = append(q.Select, c.mark("h", e, nil, conn.bounds))
	}
	if len(q.Select) == 0 && conn.rows {
		q.Select = append(q.Select, views.Item{As: "r", Literal: "r"}) // only whether there are rows
	}
	return c.prepare(q, f.pos())
}

func (c *compiler) after(q *views.Query, f *selected) {
	in, ok := c.input(f.arg("after"))
	conn := c.root.conn
	if conn.paged = ok && !in.null(); !conn.paged {
		return
	}
	text, tag, pos := c.text(in), conn.tag, f.pos()
	q.After = c.addArg(func(r *request) (any, *Error) {
		v, err := text(r)
		if s, ok := v.(string); ok && err == nil {
			stored, bad := paging.ParseCursor(s, tag)
			if bad != nil {
				return nil, inputError("after: "+bad.Error()+".", pos)
			}
			return stored, nil
		}
		return nil, err
	})
}

// part begins a further part of the rows' JSON.
func (c *compiler) part(q *views.Query) int {
	q.Select = append(q.Select, views.Item{As: c.server.mark, Literal: " "})
	c.root.conn.parts++
	return c.root.conn.parts - 1
}

func (c *compiler) connMembers(q *views.Query, fields []*selected, most int64) ([]connMember, *Error) {
	conn, e := c.root.conn, c.root.entity
	var out []connMember
	for _, f := range fields {
		m := connMember{as: f.as}
		var err *Error
		switch f.name {
		case "nodes":
			m.kind = connNodes
			m.part, err = c.nodePart(q, e, f, most)
		case "edges":
			m.kind = connEdges
			m.sub, err = c.edgeMembers(q, e, f, most)
		case "pageInfo":
			m.kind = connPage
			m.sub, err = c.pageMembers(f)
		case "totalCount":
			m.kind, conn.count = connCount, true
		case "_meta":
			m.kind, conn.hidden, conn.rows = connMeta, true, true
			m.meta, err = c.metaMembers(f)
		default:
			m.typename = e.Type + "Connection"
		}
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// nodePart compiles one selection of nodes into a part of the rows.
func (c *compiler) nodePart(q *views.Query, e *catalog.Entity, f *selected, most int64) (part int, err *Error) {
	if err := c.visit(most, f.pos()); err != nil {
		return 0, err
	}
	c.root.conn.rows = true
	c.root.conn.narrow(e, f)
	part = c.part(q)
	q.Select, err = c.object(e, f.selves, 2, most, q.Select)
	return part, err
}

// narrow takes the bounds of the selected fields into those of the list.
func (conn *connection) narrow(e *catalog.Entity, f *selected) {
	var asked []*mesh.Field
	for _, set := range f.selves {
		for _, sel := range set {
			if field, ok := sel.(*ast.Field); ok {
				if known := e.Field(field.Name); known != nil {
					asked = append(asked, known.Field)
				}
			}
		}
	}
	b := freshness.BoundsOf(asked)
	conn.bounds.Warn, conn.bounds.Error = min(conn.bounds.Warn, b.Warn), min(conn.bounds.Error, b.Error)
}

func (c *compiler) edgeMembers(q *views.Query, e *catalog.Entity, f *selected, most int64) ([]connMember, *Error) {
	fields, err := c.collect(f.selves)
	if err != nil {
		return nil, err
	}
	c.root.conn.rows = true
	var out []connMember
	for _, sub := range fields {
		m := connMember{as: sub.as, kind: edgeCursor}
		switch sub.name {
		case "node":
			m.kind = edgeNode
			if m.part, err = c.nodePart(q, e, sub, most); err != nil {
				return nil, err
			}
		case "cursor":
			c.root.conn.cursors = true
		default:
			m.kind, m.typename = connTypename, e.Type+"Edge"
		}
		out = append(out, m)
	}
	return out, nil
}

func (c *compiler) pageMembers(f *selected) ([]connMember, *Error) {
	fields, err := c.collect(f.selves)
	if err != nil {
		return nil, err
	}
	conn := c.root.conn
	var out []connMember
	for _, sub := range fields {
		m := connMember{as: sub.as}
		switch sub.name {
		case "hasNextPage":
			m.kind, conn.rows = pageNext, true
		case "hasPreviousPage":
			m.kind = pagePrevious
		case "startCursor":
			m.kind, conn.rows, conn.ends = pageStart, true, true
		case "endCursor":
			m.kind, conn.rows, conn.ends = pageEnd, true, true
		default:
			m.typename = "PageInfo"
		}
		out = append(out, m)
	}
	return out, nil
}
