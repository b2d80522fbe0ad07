package graphql

import (
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"tributary/sinks/views"
)

// An argument gives one value of a statement for one request.
type argument func(r *request) (any, *Error)

func constant(v any) argument { return func(*request) (any, *Error) { return v, nil } }

// An input is the value of an argument while it is compiled: a literal of the document, or a
// variable, or a part of one. Literals may have variables inside.
type input struct {
	lit  *ast.Value // nil inside a variable
	val  any        // the variable's value, of which only the shape is compiled in
	path []any      // the variable's name, then member names and indexes
}

// input resolves a literal; ok is false where it stands for nothing given.
func (c *compiler) input(lit *ast.Value) (_ input, ok bool) {
	if lit == nil {
		return input{}, false
	}
	if lit.Kind != ast.Variable {
		return input{lit: lit}, true
	}
	val, ok := c.vars[lit.Raw]
	return input{val: val, path: []any{lit.Raw}}, ok
}

func (in input) null() bool {
	if in.lit != nil {
		return in.lit.Kind == ast.NullValue
	}
	return in.val == nil
}

func (in input) pos() *ast.Position {
	if in.lit != nil {
		return in.lit.Position
	}
	return nil
}

// member gives a member of an input object.
func (c *compiler) member(in input, name string) (input, bool) {
	if in.lit != nil {
		return c.input(in.lit.Children.ForName(name))
	}
	object, _ := in.val.(map[string]any)
	val, ok := object[name]
	return input{val: val, path: in.then(name)}, ok
}

// items gives the items of a list; a single value stands for a list of it.
func (c *compiler) items(in input) []input {
	var out []input
	switch {
	case in.null():
	case in.lit != nil && in.lit.Kind == ast.ListValue:
		for _, child := range in.lit.Children {
			if item, ok := c.input(child.Value); ok {
				out = append(out, item)
			}
		}
	case in.lit != nil:
		out = append(out, in)
	default:
		list, _ := in.val.([]any)
		for i, val := range list {
			out = append(out, input{val: val, path: in.then(i)})
		}
	}
	return out
}

func (in input) then(step any) []any {
	return append(in.path[:len(in.path):len(in.path)], step)
}

// leaf makes an argument of a scalar's or an enum's input.
func (c *compiler) leaf(in input, t *ast.Type) (argument, *Error) {
	if in.lit == nil {
		path := in.path
		return func(r *request) (any, *Error) { return lookUp(r.vars, path), nil }, nil
	}
	v, err := c.server.coerce(nullable(t), literal(in.lit))
	if err != nil {
		return nil, inputError(err.Error()+".", in.pos())
	}
	return constant(v), nil
}

// text makes an argument of a string that may be absent.
func (c *compiler) text(in input) argument {
	if in.lit == nil {
		path := in.path
		return func(r *request) (any, *Error) { return lookUp(r.vars, path), nil }
	}
	return constant(literal(in.lit))
}

// list makes an argument of the texts of a list (views.In).
func (c *compiler) list(in input, elem *ast.Type) (argument, *Error) {
	limit := c.limits.In
	tooLong := func() *Error { return exceeds("in has too many values", limit, "ask in several requests").at(in.pos()) }
	if in.lit == nil {
		path := in.path
		return func(r *request) (any, *Error) {
			values, _ := lookUp(r.vars, path).([]any)
			if len(values) > limit {
				return nil, tooLong()
			}
			return texts(values), nil
		}, nil
	}
	var items []argument
	for _, item := range c.items(in) {
		a, err := c.leaf(item, elem)
		if err != nil {
			return nil, err
		}
		items = append(items, a)
	}
	if len(items) > limit {
		return nil, tooLong()
	}
	return func(r *request) (any, *Error) {
		values := make([]any, len(items))
		for i, item := range items {
			v, err := item(r)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		return texts(values), nil
	}, nil
}

// texts gives the text of each value, leaving out nulls, which equal nothing.
func texts(values []any) []string {
	out := make([]string, 0, len(values))
	for _, v := range values {
		switch v := v.(type) {
		case nil:
		case string:
			out = append(out, v)
		case int64:
			out = append(out, strconv.FormatInt(v, 10))
		case float64:
			out = append(out, strconv.FormatFloat(v, 'g', -1, 64))
		default:
			out = append(out, fmt.Sprint(v))
		}
	}
	return out
}

func lookUp(vars map[string]any, path []any) any {
	name, _ := path[0].(string)
	value := vars[name]
	for _, step := range path[1:] {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

func nullable(t *ast.Type) *ast.Type {
	copied := *t
	copied.NonNull = false
	return &copied
}

// addArg numbers an argument among those of the root field's statement.
func (c *compiler) addArg(a argument) views.Arg {
	c.root.args = append(c.root.args, a)
	return views.Arg(len(c.root.args))
}
