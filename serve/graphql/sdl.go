package graphql

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"tributary/mesh"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/paging"
)

// SDL gives the GraphQL schema of a mesh in the schema definition language.
func SDL(m *mesh.Mesh) (string, error) {
	c, err := catalog.New(m)
	if err != nil {
		return "", err
	}
	text := sdl(c)
	_, err = load(text)
	return text, err
}

func load(text string) (*ast.Schema, error) {
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "mesh.graphql", Input: text})
	if err != nil {
		return nil, fmt.Errorf("the mesh makes no valid GraphQL schema: two types would have one name, or a name is reserved: rename the entity or field: %w", err)
	}
	return schema, nil
}

// A printer writes the schema.
type printer struct {
	strings.Builder
	filters map[string]bool // filter types that are printed already
	later   []func()        // types that a type being printed needs
}

func (p *printer) linef(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

// doc writes a description of one or more lines.
func (p *printer) doc(indent, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	text = strings.ReplaceAll(text, `"""`, `\"""`)
	if strings.ContainsAny(text, "\n\r") || strings.HasSuffix(text, `"`) || strings.HasSuffix(text, `\`) {
		p.linef("%s\"\"\"\n%s%s\n%s\"\"\"", indent, indent, strings.ReplaceAll(text, "\n", "\n"+indent), indent)
		return
	}
	p.linef(`%s"""%s"""`, indent, text)
}

const prelude = `"""An exact decimal number, as a string such as "12.50"."""
scalar Decimal

"""A point in time, RFC 3339 in UTC, such as "2026-11-23T08:00:00Z"."""
scalar DateTime

"""A day, such as "2026-11-23"."""
scalar Date

"""A UUID."""
scalar UUID

"""Any JSON value."""
scalar JSON

"""Bytes in base64."""
scalar Bytes

"""A whole number of 64 bits: a number up to 2^53, beyond it a string."""
scalar Long

"""Which way a list is sorted. Nulls are last either way."""
enum OrderDirection {
  ASC
  DESC
}

"""Where a page stands in its list."""
type PageInfo {
  hasNextPage: Boolean!
  hasPreviousPage: Boolean!
  startCursor: String
  endCursor: String
}

"""The version, freshness and provenance of one object."""
type Meta {
  """Rises with every change of the object."""
  version: String!
  """All that the sources acknowledged before this time is in the object; null: never verified."""
  verifiedThrough: DateTime
  """Milliseconds since verifiedThrough."""
  stalenessMs: Long
  state: FreshnessState!
  """Source rows of this object that lie in the dead letters."""
  deadLetters: Int!
  streams: [StreamFreshness!]!
  """Where the values come from; names limits it to some fields."""
  fields(names: [String!]): [FieldProvenance!]!
}

"""The freshness of a whole list."""
type ListMeta {
  verifiedThrough: DateTime
  stalenessMs: Long
  state: FreshnessState!
  deadLetters: Int!
  streams: [StreamFreshness!]!
}

"""The freshness of one contributing stream."""
type StreamFreshness {
  name: String!
  verifiedThrough: DateTime
  state: FreshnessState!
}

"""Where the value of a field comes from."""
type FieldProvenance {
  name: String!
  locale: String
  system: String
  stream: String
  sourceKey: String
  rule: String!
  """Source time of the row that won."""
  changedAt: DateTime
  """Whether live sources disagree."""
  conflict: Boolean!
}
`

func sdl(c *catalog.Catalog) string {
	p := &printer{filters: map[string]bool{}}
	p.query(c)
	for _, e := range c.Entities {
		p.entity(e)
	}
	p.WriteString(prelude)
	p.WriteString("\n\"\"\"How far an answer can be trusted.\"\"\"\nenum FreshnessState {\n")
	for _, s := range freshness.States() {
		p.linef("  %s", s)
	}
	p.WriteString("}\n")
	for len(p.later) > 0 {
		later := p.later
		p.later = nil
		for _, f := range later {
			f()
		}
	}
	return p.String()
}

func (p *printer) query(c *catalog.Catalog) {
	p.linef("type Query {")
	if len(c.Entities) == 0 {
		p.doc("  ", "The mesh has no entities yet.")
		p.linef("  mesh: String!")
	}
	for _, e := range c.Entities {
		p.doc("  ", "One "+e.Single+" by its "+e.Key.Name+".")
		p.linef("  %s(%s: %s!%s): %s", e.Single, e.Key.Name, scalarOf(e, e.Key), localeArg(e.Key), e.Type)
		for _, f := range e.Unique() {
			p.doc("  ", "One "+e.Single+" by its "+f.Name+"; the error AMBIGUOUS where several have it.")
			p.linef("  %s(%s: %s!%s): %s", e.LookupName(f), f.Name, scalarOf(e, f), localeArg(f), e.Type)
		}
		p.doc("  ", fmt.Sprintf("A page of %s: %d unless first says otherwise, at most %d.", e.List, paging.DefaultFirst, paging.MaxFirst))
		p.linef("  %s(where: %sWhere, orderBy: [%sOrderBy!], first: Int = %d, after: String, locale: String): %sConnection!",
			e.List, e.Type, e.Type, paging.DefaultFirst, e.Type)
	}
	p.linef("}\n")
}

// localeArg is the argument locale of a lookup: in which locale localized fields answer, where
// the fields themselves do not say. A lookup by a field of that very name has none.
func localeArg(by *catalog.Field) string {
	if by.Name == localeName {
		return ""
	}
	return ", locale: String"
}

func (p *printer) entity(e *catalog.Entity) {
	p.doc("", e.Description)
	p.linef("type %s {", e.Type)
	for _, f := range e.Fields {
		p.field(e, f)
	}
	for _, r := range e.Relations {
		if r.One {
			p.linef("  %s: %s", r.Name, r.Target.Type)
			continue
		}
		p.linef("  %s(where: %sWhere, orderBy: [%sOrderBy!], first: Int = %d): [%s!]!", r.Name, r.Target.Type, r.Target.Type, paging.DefaultFirst, r.Target.Type)
	}
	p.linef("  _meta: Meta!\n}\n")
	p.linef("type %sConnection {\n  nodes: [%s!]!\n  edges: [%sEdge!]!\n  pageInfo: PageInfo!\n  \"\"\"How many there are on all pages.\"\"\"\n  totalCount: Long!\n  _meta: ListMeta!\n}\n", e.Type, e.Type, e.Type)
	p.linef("type %sEdge {\n  node: %s!\n  cursor: String!\n}\n", e.Type, e.Type)
	p.where(e)
	p.order(e)
	for _, f := range e.Fields {
		if f.Type.Kind == mesh.Enum {
			p.doc("", "The values of "+e.Single+"."+f.Name+".")
			p.linef("enum %s {\n  %s\n}\n", scalarOf(e, f), strings.Join(f.Type.Symbols, "\n  "))
		}
	}
}

func (p *printer) field(e *catalog.Entity, f *catalog.Field) {
	bang, deprecated := "", ""
	if f.Required || f == e.Key {
		bang = "!"
	}
	if f.Deprecated != "" {
		deprecated = " @deprecated(reason: " + quote(f.Deprecated) + ")"
	}
	p.doc("  ", f.Description)
	if !f.Localized {
		p.linef("  %s: %s%s%s", f.Name, scalarOf(e, f), bang, deprecated)
		return
	}
	p.linef("  %s(locale: String): %s%s", f.Name, scalarOf(e, f), deprecated)
	p.doc("  ", "All locales of "+f.Name+".")
	p.linef("  %s: JSON%s%s", f.All, bang, deprecated)
}

func (p *printer) where(e *catalog.Entity) {
	p.linef("input %sWhere {\n  and: [%sWhere!]\n  or: [%sWhere!]\n  not: %sWhere", e.Type, e.Type, e.Type, e.Type)
	for _, f := range e.Fields {
		if f.Name == "and" || f.Name == "or" || f.Name == "not" {
			continue // shadowed: such a field can be read, not filtered
		}
		p.linef("  %s: %s", f.Name, p.filter(e, f))
	}
	p.linef("}\n")
}

// filter gives the name of the field's filter type and sees to it that it is printed once.
func (p *printer) filter(e *catalog.Entity, f *catalog.Field) string {
	scalar := scalarOf(e, f)
	name := scalar + "Filter"
	if f.Type.Kind == mesh.List {
		name, scalar = "ListFilter", "JSON"
	}
	if p.filters[name] {
		return name
	}
	p.filters[name] = true
	p.later = append(p.later, func() {
		p.linef("\ninput %s {", name)
		for _, o := range f.Operators() {
			switch o.Name {
			case "isNull":
				p.linef("  isNull: Boolean")
			case "in":
				p.linef("  in: [%s!]", scalar)
			default:
				p.linef("  %s: %s", o.Name, scalar)
			}
		}
		p.linef("}")
	})
	return name
}

func (p *printer) order(e *catalog.Entity) {
	p.linef("input %sOrderBy {\n  field: %sOrderField!\n  direction: OrderDirection! = ASC\n}\n", e.Type, e.Type)
	p.linef("enum %sOrderField {", e.Type)
	for _, f := range e.Fields {
		if f.Sortable() {
			p.linef("  %s", catalog.Screaming(f.Name))
		}
	}
	p.linef("}\n")
}

// scalarOf is the GraphQL type of a field's values.
func scalarOf(e *catalog.Entity, f *catalog.Field) string {
	if f.Type.Kind == mesh.Enum {
		return e.Type + catalog.Pascal(f.Field.Name)
	}
	return scalarName(f.Type)
}

func scalarName(t mesh.Type) string {
	switch t.Kind {
	case mesh.Int:
		return "Long"
	case mesh.Float:
		return "Float"
	case mesh.Bool:
		return "Boolean"
	case mesh.Decimal:
		return "Decimal"
	case mesh.Timestamp:
		return "DateTime"
	case mesh.Date:
		return "Date"
	case mesh.UUID:
		return "UUID"
	case mesh.JSON:
		return "JSON"
	case mesh.Bytes:
		return "Bytes"
	case mesh.List:
		return "[" + scalarName(*t.Elem) + "]"
	}
	return "String"
}

func quote(s string) string {
	return (&ast.Value{Kind: ast.StringValue, Raw: s}).String()
}
