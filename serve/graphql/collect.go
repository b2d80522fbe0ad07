package graphql

import "github.com/vektah/gqlparser/v2/ast"

// A selected field: all selections of one response name, merged as the specification's
// CollectFields does. There are no interfaces and unions in the schema, so that a fragment that
// passed validation always applies.
type selected struct {
	as     string
	name   string
	nodes  []*ast.Field
	selves []ast.SelectionSet
}

func (f *selected) pos() *ast.Position { return f.nodes[0].Position }

func (f *selected) arg(name string) *ast.Value {
	if a := f.nodes[0].Arguments.ForName(name); a != nil {
		return a.Value
	}
	return nil
}

// collect merges selection sets in the order of their first mention. seen counts what was
// spread out, against limits.
func (c *compiler) collect(sets []ast.SelectionSet) ([]*selected, *Error) {
	var out []*selected
	byName := map[string]*selected{}
	var walk func(set ast.SelectionSet) *Error
	walk = func(set ast.SelectionSet) *Error {
		for _, sel := range set {
			c.spread++
			if c.spread > c.limits.Fields {
				return exceeds("the operation selects too many fields", c.limits.Fields, "split it").at(sel.GetPosition())
			}
			var err *Error
			switch sel := sel.(type) {
			case *ast.Field:
				err = c.add(&out, byName, sel)
			case *ast.InlineFragment:
				if c.included(sel.Directives) {
					err = walk(sel.SelectionSet)
				}
			case *ast.FragmentSpread:
				if c.included(sel.Directives) {
					err = walk(sel.Definition.SelectionSet)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for _, set := range sets {
		if err := walk(set); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *compiler) add(out *[]*selected, byName map[string]*selected, field *ast.Field) *Error {
	if !c.included(field.Directives) {
		return nil
	}
	f := byName[field.Alias]
	if f == nil {
		f = &selected{as: field.Alias, name: field.Name}
		byName[field.Alias] = f
		*out = append(*out, f)
		if field.Alias != field.Name {
			if c.aliases++; c.aliases > c.limits.Aliases {
				return exceeds("the operation has too many aliases", c.limits.Aliases, "split it").at(field.Position)
			}
		}
	}
	f.nodes = append(f.nodes, field)
	f.selves = append(f.selves, field.SelectionSet)
	return nil
}

// included evaluates @skip and @include; the variables they use are part of the plan's key.
func (c *compiler) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		cond := false
		if a := d.Arguments.ForName("if"); a != nil {
			if a.Value.Kind == ast.Variable {
				cond, _ = c.vars[a.Value.Raw].(bool)
			} else {
				cond = a.Value.Raw == "true"
			}
		}
		if cond == (d.Name == "skip") {
			return false
		}
	}
	return true
}
