package sqlite

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"zombiezen.com/go/sqlite"

	"tributary/schemas"
	"tributary/sinks/views"
)

// An item writes one member of a row's JSON object.
type item struct {
	name   []byte // the member's name with its colon and what stands before it
	member member
}

// A member appends a value to the reader's out.
type member interface {
	write(x *execution, stmt *sqlite.Stmt) error
}

// selects compiles the members of a row's object.
func (c *compiler) selects(n *node, q *views.Query) error {
	for i, it := range q.Select {
		name := []byte{','}
		if i == 0 {
			name[0] = '{'
		}
		name = append(schemas.AppendQuoted(name, []byte(it.As)), ':')
		m, err := c.member(n, &it)
		if err != nil {
			return err
		}
		n.items = append(n.items, item{name, m})
	}
	return nil
}

func (c *compiler) member(n *node, it *views.Item) (member, error) {
	switch {
	case it.Field != nil:
		col, err := n.table.column(it.Field)
		if err != nil {
			return nil, err
		}
		if col.localized && it.Locale == views.NoArg {
			return localesMember{n.result(col.sql), col.storage}, nil
		}
		expr, err := c.expression(n, col, it.Locale)
		return fieldMember{n.result(expr), col.storage}, err
	case it.Relation != nil:
		return c.relation(n, it)
	case it.MetaMark != "":
		return n.meta(it), nil
	}
	return literalMember(schemas.AppendQuoted(nil, []byte(it.Literal))), nil
}

// relation compiles a nested query.
func (c *compiler) relation(n *node, it *views.Item) (member, error) {
	r := it.Relation
	where := func(err error) error {
		return fmt.Errorf("entity %s, relation %s: %w", n.table.entity.Name, r.Name, err)
	}
	local, err := n.table.column(n.table.entity.Field(r.LocalField))
	if err != nil {
		return nil, where(err)
	}
	target := c.tables[r.Target.Name]
	if target == nil || it.Nested == nil || it.Nested.Entity.Name != r.Target.Name {
		return nil, where(views.ErrUndefined)
	}
	link, err := target.column(target.entity.Field(r.TargetField))
	if err != nil {
		return nil, where(err)
	}
	if local.localized || link.localized || local.name != link.name {
		return nil, where(fmt.Errorf("%s is %s and %s is %s: a relation joins fields of one type", r.LocalField, local.signature(), r.TargetField, link.signature()))
	}
	nested, err := c.node(it.Nested, &link)
	if err != nil {
		return nil, err
	}
	nested.one = r.One
	return relationMember{n.result(local.sql), nested}, nil
}

// A literalMember is JSON that is the same in each row.
type literalMember []byte

func (m literalMember) write(x *execution, _ *sqlite.Stmt) error {
	x.out = append(x.out, m...)
	return nil
}

// A fieldMember is a field's value.
type fieldMember struct {
	col int
	storage
}

func (m fieldMember) write(x *execution, stmt *sqlite.Stmt) error {
	c := x.cell(stmt, m.col)
	if c.null() {
		x.out = append(x.out, "null"...)
		return nil
	}
	x.out = m.render(x.out, c)
	return nil
}

// A localesMember is a localized field's object of all locales.
type localesMember struct {
	col int
	storage
}

func (m localesMember) write(x *execution, stmt *sqlite.Stmt) error {
	c := x.cell(stmt, m.col)
	if c.null() {
		x.out = append(x.out, "null"...)
		return nil
	}
	x.out = m.renderLocales(x.out, c.b)
	return nil
}

// A relationMember is what a relation leads to.
type relationMember struct {
	col    int
	nested *node
}

func (m relationMember) write(x *execution, stmt *sqlite.Stmt) error {
	link := x.cell(stmt, m.col)
	if m.nested.one {
		start := len(x.out)
		if !link.null() {
			if err := x.rows(m.nested, link, 1, nil); err != nil {
				return err
			}
		}
		if len(x.out) == start {
			x.out = append(x.out, "null"...)
		}
		return nil
	}
	x.out = append(x.out, '[')
	if !link.null() {
		if err := x.rows(m.nested, link, -1, nil); err != nil {
			return err
		}
	}
	x.out = append(x.out, ']')
	return nil
}

// A metaMember is the mark of Item.Meta.
type metaMember struct {
	head                               []byte
	id, partition, version, held, meta int
}

func (n *node) meta(it *views.Item) metaMember {
	head := append(schemas.AppendQuoted([]byte{'{'}, []byte(it.MetaMark)), ":["...)
	m := metaMember{
		head: strconv.AppendInt(head, int64(it.Meta), 10),
		id:   n.result(idColumn), partition: n.result(partitionColumn), version: n.result(versionColumn),
		held: n.result(heldColumn), meta: -1,
	}
	if it.MetaBlob {
		m.meta = n.result(metaColumn)
	}
	return m
}

func (m metaMember) write(x *execution, stmt *sqlite.Stmt) error {
	x.out = append(append(x.out, m.head...), ',')
	x.out = schemas.AppendQuoted(x.out, x.cell(stmt, m.id).b)
	v := versionFrom(x.cell(stmt, m.version).b)
	for _, number := range []int64{stmt.ColumnInt64(m.partition), int64(v.Generation), v.Offset, int64(v.N)} {
		x.out = strconv.AppendInt(append(x.out, ','), number, 10)
	}
	x.out = append(x.out, ',')
	if held := x.cell(stmt, m.held); held.null() {
		x.out = append(x.out, "null"...)
	} else {
		x.out = append(x.out, held.b...)
	}
	x.out = append(x.out, `,"`...)
	if m.meta >= 0 {
		x.out = hex.AppendEncode(x.out, x.cell(stmt, m.meta).b)
	}
	x.out = append(x.out, `"]}`...)
	return nil
}
