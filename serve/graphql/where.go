package graphql

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"tributary/serve/catalog"
	"tributary/sinks/views"
)

// never is a condition that no row meets.
func (c *compiler) never(e *catalog.Entity) *views.Cond {
	return &views.Cond{Op: views.In, Field: e.Key.Field, Arg: c.addArg(constant([]string{}))}
}

// where compiles a where object; nil means every row.
func (c *compiler) where(e *catalog.Entity, in input) (*views.Cond, *Error) {
	if in.null() {
		return nil, nil
	}
	if c.nesting++; c.nesting > c.limits.Depth {
		return nil, exceeds("where is nested too deeply", c.limits.Depth, "say it with fewer and, or, not").at(in.pos())
	}
	defer func() { c.nesting-- }()
	var all []*views.Cond
	for _, f := range c.server.schema.Types[e.Type+"Where"].Fields {
		member, ok := c.member(in, f.Name)
		if !ok || member.null() {
			continue
		}
		cond, err := c.whereMember(e, f, member)
		if err != nil {
			return nil, err
		}
		if cond != nil {
			all = append(all, cond)
		}
	}
	return join(views.And, all), nil
}

func (c *compiler) whereMember(e *catalog.Entity, f *ast.FieldDefinition, in input) (*views.Cond, *Error) {
	switch f.Name {
	case "and":
		conds, _, err := c.wheres(e, in)
		return join(views.And, conds), err
	case "or":
		conds, every, err := c.wheres(e, in)
		if err != nil || every {
			return nil, err
		}
		if len(conds) == 0 {
			return c.never(e), nil
		}
		return join(views.Or, conds), nil
	case "not":
		cond, err := c.where(e, in)
		if err != nil {
			return nil, err
		}
		if cond == nil {
			return c.never(e), nil
		}
		return &views.Cond{Op: views.Not, Conds: []*views.Cond{cond}}, nil
	}
	return c.filter(e.Field(f.Name), c.server.schema.Types[f.Type.NamedType], in)
}

// wheres compiles a list of where objects; every says that one of them is met by every row.
func (c *compiler) wheres(e *catalog.Entity, in input) (conds []*views.Cond, every bool, _ *Error) {
	for _, item := range c.items(in) {
		cond, err := c.where(e, item)
		if err != nil {
			return nil, false, err
		}
		if cond == nil {
			every = true
			continue
		}
		conds = append(conds, cond)
	}
	return conds, every, nil
}

// filter compiles the operators of one field.
func (c *compiler) filter(f *catalog.Field, def *ast.Definition, in input) (*views.Cond, *Error) {
	var all []*views.Cond
	for _, o := range f.Operators() {
		operand, ok := c.member(in, o.Name)
		if !ok {
			continue
		}
		if c.conditions++; c.conditions > c.limits.Conditions {
			return nil, exceeds("where has too many conditions", c.limits.Conditions, "use in, or ask in several requests").at(in.pos())
		}
		t := def.Fields.ForName(o.Name).Type
		var arg argument
		var err *Error
		if o.Op == views.In {
			arg, err = c.list(operand, t.Elem)
		} else {
			arg, err = c.leaf(operand, t)
		}
		if err != nil {
			return nil, err
		}
		cond := &views.Cond{Op: o.Op, Field: f.Field, Arg: c.addArg(arg)}
		if f.Localized {
			cond.Locale = c.localeArg()
		}
		all = append(all, cond)
	}
	return join(views.And, all), nil
}

// join puts conditions together; one needs no joining, none is nil.
func join(op views.CondOp, conds []*views.Cond) *views.Cond {
	switch len(conds) {
	case 0:
		return nil
	case 1:
		return conds[0]
	}
	return &views.Cond{Op: op, Conds: conds}
}

// maxOrder bounds by how many fields a list can be sorted.
const maxOrder = 8

// order compiles orderBy, and gives the parts by which cursors of this order are known.
func (c *compiler) order(e *catalog.Entity, lit *ast.Value) (order []views.Order, tag []string, _ *Error) {
	in, ok := c.input(lit)
	if !ok {
		return nil, nil, nil
	}
	items := c.items(in)
	if len(items) > maxOrder {
		return nil, nil, exceeds("orderBy has too many fields", maxOrder, "leave some out").at(in.pos())
	}
	for _, item := range items {
		field, _ := c.member(item, "field")
		f := fieldOfOrder(e, c.symbol(field))
		if f == nil {
			continue // null in the list
		}
		o := views.Order{Field: f.Field}
		if direction, ok := c.member(item, "direction"); ok {
			o.Desc = c.symbol(direction) == "DESC"
		}
		if f.Localized {
			o.Locale = c.localeArg()
		}
		order = append(order, o)
		tag = append(tag, f.Name, map[bool]string{true: "desc", false: "asc"}[o.Desc])
	}
	return order, tag, nil
}

// symbol gives an enum's name; the shape of variables of such enums is their value.
func (c *compiler) symbol(in input) string {
	if in.lit != nil {
		return in.lit.Raw
	}
	s, _ := in.val.(string)
	return s
}

func fieldOfOrder(e *catalog.Entity, name string) *catalog.Field {
	for _, f := range e.Fields {
		if f.Sortable() && catalog.Screaming(f.Name) == name {
			return f
		}
	}
	return nil
}

// orderEnum says whether a type is one of orderBy's enums.
func orderEnum(name string) bool {
	return name == "OrderDirection" || strings.HasSuffix(name, "OrderField")
}
