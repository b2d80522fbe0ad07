package graphql

import (
	"maps"
	"slices"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"tributary/serve/jsontext"
)

// An introspector answers __schema and __type (GraphQL specification, section 4) from the
// schema, appending to dst. Its first error sticks.
type introspector struct {
	c   *compiler
	r   *request
	dst []byte
	err *Error
}

func (s *Server) introspect(r *request, dst []byte) *introspector {
	return &introspector{c: &compiler{server: s, limits: &s.limits, vars: r.vars}, r: r, dst: dst}
}

func (x *introspector) schema(f *selected) ([]byte, *Error) {
	schema := x.c.server.schema
	x.object(f, "__Schema", func(f *selected) {
		switch f.name {
		case "description":
			x.text(schema.Description)
		case "types":
			names := slices.Sorted(maps.Keys(schema.Types))
			each(x, names, func(name string) { x.definition(f, schema.Types[name]) })
		case "queryType":
			x.definition(f, schema.Query)
		case "mutationType":
			x.definition(f, schema.Mutation)
		case "subscriptionType":
			x.definition(f, schema.Subscription)
		case "directives":
			names := slices.Sorted(maps.Keys(schema.Directives))
			names = slices.DeleteFunc(names, func(name string) bool { return name == "defer" }) // not served
			each(x, names, func(name string) { x.directive(f, schema.Directives[name]) })
		}
	})
	return x.dst, x.err
}

func (x *introspector) typeNamed(f *selected, name string) ([]byte, *Error) {
	x.definition(f, x.c.server.schema.Types[name])
	return x.dst, x.err
}

// object appends an object whose members value appends.
func (x *introspector) object(f *selected, typename string, value func(*selected)) {
	fields, err := x.c.collect(f.selves)
	if err != nil {
		x.err = err
	}
	x.dst = append(x.dst, '{')
	for i, sub := range fields {
		if i > 0 {
			x.dst = append(x.dst, ',')
		}
		x.dst = jsontext.AppendKey(x.dst, sub.as)
		if sub.name == "__typename" {
			x.text(typename)
			continue
		}
		value(sub)
	}
	x.dst = append(x.dst, '}')
}

// each appends an array.
func each[T any](x *introspector, items []T, value func(T)) {
	x.dst = append(x.dst, '[')
	for i, item := range items {
		if x.err != nil {
			break
		}
		if i > 0 {
			x.dst = append(x.dst, ',')
		}
		x.c.spread = 0 // the limit is for each object: the document was bounded when it was validated
		value(item)
	}
	x.dst = append(x.dst, ']')
}

func (x *introspector) null() { x.dst = append(x.dst, "null"...) }

// text appends a string, or null for none.
func (x *introspector) text(s string) {
	if s == "" {
		x.null()
		return
	}
	x.dst = jsontext.AppendString(x.dst, s)
}

func (x *introspector) definition(f *selected, def *ast.Definition) {
	if def == nil {
		x.null()
		return
	}
	composite := def.Kind == ast.Object || def.Kind == ast.Interface
	x.object(f, "__Type", func(f *selected) {
		switch f.name {
		case "kind":
			x.text(string(def.Kind))
		case "name":
			x.text(def.Name)
		case "description":
			x.text(def.Description)
		case "specifiedByURL":
			x.text(reasonOf(def.Directives, "specifiedBy", "url", ""))
		case "fields":
			x.list(composite, func() { x.fields(f, def.Fields) })
		case "interfaces":
			x.list(composite, func() {
				each(x, def.Interfaces, func(name string) { x.definition(f, x.c.server.schema.Types[name]) })
			})
		case "possibleTypes":
			x.list(def.IsAbstractType(), func() {
				each(x, x.c.server.schema.GetPossibleTypes(def), func(d *ast.Definition) { x.definition(f, d) })
			})
		case "enumValues":
			x.list(def.Kind == ast.Enum, func() { x.enumValues(f, def.EnumValues) })
		case "inputFields":
			x.list(def.Kind == ast.InputObject, func() { x.inputFields(f, def.Fields) })
		case "isOneOf":
			x.list(def.Kind == ast.InputObject, func() { x.bool(def.Directives.ForName("oneOf") != nil) })
		default: // ofType
			x.null()
		}
	})
}

// list appends a value only where the kind of type has it.
func (x *introspector) list(has bool, value func()) {
	if !has {
		x.null()
		return
	}
	value()
}

func (x *introspector) bool(v bool) { x.dst = strconv.AppendBool(x.dst, v) }

// reference appends a type as it is used: wrapped in NON_NULL and LIST.
func (x *introspector) reference(f *selected, t *ast.Type) {
	kind, of := "LIST", t.Elem
	switch {
	case t.NonNull:
		kind, of = "NON_NULL", nullable(t)
	case t.Elem == nil:
		x.definition(f, x.c.server.schema.Types[t.NamedType])
		return
	}
	x.object(f, "__Type", func(f *selected) {
		switch f.name {
		case "kind":
			x.text(kind)
		case "ofType":
			x.reference(f, of)
		default:
			x.null()
		}
	})
}

func (x *introspector) fields(f *selected, fields ast.FieldList) {
	fields = slices.DeleteFunc(slices.Clone(fields), func(d *ast.FieldDefinition) bool {
		return len(d.Name) > 1 && d.Name[:2] == "__" || x.hides(f, d.Directives)
	})
	each(x, fields, func(d *ast.FieldDefinition) {
		x.object(f, "__Field", func(f *selected) {
			switch f.name {
			case "name":
				x.text(d.Name)
			case "description":
				x.text(d.Description)
			case "args":
				x.arguments(f, d.Arguments)
			case "type":
				x.reference(f, d.Type)
			default:
				x.deprecation(f, d.Directives)
			}
		})
	})
}

func (x *introspector) arguments(f *selected, args ast.ArgumentDefinitionList) {
	args = slices.DeleteFunc(slices.Clone(args), func(a *ast.ArgumentDefinition) bool { return x.hides(f, a.Directives) })
	each(x, args, func(a *ast.ArgumentDefinition) {
		x.inputValue(f, a.Name, a.Description, a.Type, a.DefaultValue, a.Directives)
	})
}

func (x *introspector) inputFields(f *selected, fields ast.FieldList) {
	fields = slices.DeleteFunc(slices.Clone(fields), func(d *ast.FieldDefinition) bool { return x.hides(f, d.Directives) })
	each(x, fields, func(d *ast.FieldDefinition) {
		x.inputValue(f, d.Name, d.Description, d.Type, d.DefaultValue, d.Directives)
	})
}

func (x *introspector) inputValue(f *selected, name, description string, t *ast.Type, def *ast.Value, directives ast.DirectiveList) {
	x.object(f, "__InputValue", func(f *selected) {
		switch f.name {
		case "name":
			x.text(name)
		case "description":
			x.text(description)
		case "type":
			x.reference(f, t)
		case "defaultValue":
			x.list(def != nil, func() { x.text(def.String()) })
		default:
			x.deprecation(f, directives)
		}
	})
}

func (x *introspector) enumValues(f *selected, values ast.EnumValueList) {
	values = slices.DeleteFunc(slices.Clone(values), func(v *ast.EnumValueDefinition) bool { return x.hides(f, v.Directives) })
	each(x, values, func(v *ast.EnumValueDefinition) {
		x.object(f, "__EnumValue", func(f *selected) {
			switch f.name {
			case "name":
				x.text(v.Name)
			case "description":
				x.text(v.Description)
			default:
				x.deprecation(f, v.Directives)
			}
		})
	})
}

func (x *introspector) directive(f *selected, d *ast.DirectiveDefinition) {
	x.object(f, "__Directive", func(f *selected) {
		switch f.name {
		case "name":
			x.text(d.Name)
		case "description":
			x.text(d.Description)
		case "isRepeatable":
			x.bool(d.IsRepeatable)
		case "locations":
			each(x, d.Locations, func(l ast.DirectiveLocation) { x.text(string(l)) })
		case "args":
			x.arguments(f, d.Arguments)
		}
	})
}

func (x *introspector) deprecation(f *selected, directives ast.DirectiveList) {
	if f.name == "isDeprecated" {
		x.bool(directives.ForName("deprecated") != nil)
		return
	}
	x.text(reasonOf(directives, "deprecated", "reason", "No longer supported"))
}

// hides says whether something is left out because it is deprecated.
func (x *introspector) hides(f *selected, directives ast.DirectiveList) bool {
	if directives.ForName("deprecated") == nil {
		return false
	}
	in, ok := x.c.input(f.arg("includeDeprecated"))
	if !ok || in.null() {
		return true
	}
	if in.lit != nil {
		return in.lit.Raw != "true"
	}
	shown, _ := in.val.(bool)
	return !shown
}

// reasonOf gives an argument of a directive, "" where there is no such directive.
func reasonOf(directives ast.DirectiveList, directive, arg, otherwise string) string {
	d := directives.ForName(directive)
	if d == nil {
		return ""
	}
	if a := d.Arguments.ForName(arg); a != nil {
		return a.Value.Raw
	}
	return otherwise
}
