package graphql

import (
	"github.com/vektah/gqlparser/v2/ast"

	"tributary/mesh"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/rowmeta"
	"tributary/sinks/views"
)

// metaKinds names the members of Meta, ListMeta, StreamFreshness and FieldProvenance.
func metaKind(name string) rowmeta.Kind {
	switch name {
	case "version":
		return rowmeta.Version
	case "verifiedThrough":
		return rowmeta.VerifiedThrough
	case "stalenessMs":
		return rowmeta.StalenessMs
	case "state":
		return rowmeta.StateName
	case "deadLetters":
		return rowmeta.DeadLetters
	case "streams":
		return rowmeta.Streams
	case "fields":
		return rowmeta.Fields
	case "name":
		return rowmeta.Name
	case "locale":
		return rowmeta.Locale
	case "system":
		return rowmeta.System
	case "stream":
		return rowmeta.Stream
	case "sourceKey":
		return rowmeta.SourceKey
	case "rule":
		return rowmeta.Rule
	case "changedAt":
		return rowmeta.ChangedAt
	case "conflict":
		return rowmeta.Conflict
	}
	return rowmeta.Typename
}

// metaItem compiles _meta of an object.
func (c *compiler) metaItem(e *catalog.Entity, f *selected, bounds freshness.Bounds) (views.Item, *Error) {
	members, err := c.metaMembers(f)
	if err != nil {
		return views.Item{}, err
	}
	return c.mark(f.as, e, members, bounds), nil
}

// mark adds a _meta to the root field's rows.
func (c *compiler) mark(as string, e *catalog.Entity, members []rowmeta.Member, bounds freshness.Bounds) views.Item {
	c.root.specs = append(c.root.specs, rowmeta.Spec{Entity: e, Bounds: bounds, Members: members})
	return views.Item{As: as, Meta: len(c.root.specs) - 1, MetaMark: c.server.mark, MetaBlob: rowmeta.NeedsBlob(members)}
}

func (c *compiler) metaMembers(f *selected) ([]rowmeta.Member, *Error) {
	fields, err := c.collect(f.selves)
	if err != nil {
		return nil, err
	}
	members := make([]rowmeta.Member, 0, len(fields))
	for _, sub := range fields {
		m := rowmeta.Member{As: sub.as, Kind: metaKind(sub.name)}
		if m.Kind == rowmeta.Typename {
			m.Typename = sub.nodes[0].ObjectDefinition.Name
		}
		if m.Kind == rowmeta.Streams || m.Kind == rowmeta.Fields {
			if m.Sub, err = c.metaMembers(sub); err != nil {
				return nil, err
			}
		}
		if m.Kind == rowmeta.Fields {
			m.Names = c.names(sub.arg("names"))
		}
		members = append(members, m)
	}
	return members, nil
}

func (c *compiler) names(lit *ast.Value) rowmeta.Names {
	in, ok := c.input(lit)
	if !ok || in.null() {
		return rowmeta.Names{All: true}
	}
	if in.lit == nil {
		name, _ := in.path[0].(string)
		return rowmeta.Names{Variable: name}
	}
	names := rowmeta.Names{List: []string{}}
	for _, item := range c.items(in) {
		if name := c.symbol(item); name != "" {
			names.List = append(names.List, name)
		}
	}
	return names
}

// askedFields gives the bounds of the entity's fields that are selected.
func askedFields(e *catalog.Entity, fields []*selected) freshness.Bounds {
	var asked []*mesh.Field
	for _, f := range fields {
		for _, field := range e.Fields {
			if f.name == field.Name || f.name == field.All {
				asked = append(asked, field.Field)
			}
		}
	}
	return freshness.BoundsOf(asked)
}

const localeName = "locale"

// localeArg is the locale of the root field: its argument, else the request's.
func (c *compiler) localeArg() views.Arg {
	if c.root.locale == views.NoArg {
		c.root.locale = c.addArg(c.locale(c.root.field))
	}
	return c.root.locale
}

// fieldLocale is the locale of a localized field: its argument, else the root field's.
func (c *compiler) fieldLocale(f *selected) views.Arg {
	if in, ok := c.input(f.arg(localeName)); ok && !in.null() {
		return c.addArg(c.text(in))
	}
	return c.localeArg()
}

func (c *compiler) locale(f *selected) argument {
	if in, ok := c.input(f.arg(localeName)); ok && !in.null() && !c.keyedByLocale(f) {
		return c.text(in)
	}
	return func(r *request) (any, *Error) { return r.locale(), nil }
}

// keyedByLocale says whether the root field's argument locale is the id that it looks up.
func (c *compiler) keyedByLocale(f *selected) bool {
	t := c.server.targets[f.name]
	return t.by != nil && t.by.Name == localeName
}
