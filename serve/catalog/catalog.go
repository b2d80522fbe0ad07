// Package catalog says how a mesh is called outside: the names of types, fields and lists that
// GraphQL, REST and the generated documents share, and the text form of values. In goes the
// manifest, out come names that are valid and without double meaning, or every fault at once.
package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tributary/mesh"
)

// A Catalog holds the entities of a mesh under their outside names.
type Catalog struct {
	Mesh     *mesh.Mesh
	Entities []*Entity
	byMesh   map[*mesh.Entity]*Entity
}

// An Entity under its outside names.
type Entity struct {
	*mesh.Entity
	Index     int    // in Catalog.Entities
	Type      string // Product
	Single    string // product
	List      string // products
	Path      string // products, as the manifest writes it: the REST path
	Fields    []*Field
	Key       *Field
	Relations []*Relation
}

// A Field under its outside name.
type Field struct {
	*mesh.Field
	Name string // camelCase
	// All is the name of the object of all locales; "" unless the field is localized.
	All string
}

// A Relation under its outside name.
type Relation struct {
	*mesh.Relation
	Name   string
	Target *Entity
}

// New makes the catalog of a mesh.
func New(m *mesh.Mesh) (*Catalog, error) {
	c := &Catalog{Mesh: m, byMesh: map[*mesh.Entity]*Entity{}}
	var faults []error
	for _, e := range m.Entities {
		entity, err := newEntity(e)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		entity.Index = len(c.Entities)
		c.Entities = append(c.Entities, entity)
		c.byMesh[e] = entity
	}
	if len(faults) == 0 {
		for _, e := range c.Entities {
			faults = append(faults, c.addRelations(e))
		}
		faults = append(faults, c.checkRoots())
	}
	return c, errors.Join(faults...)
}

// Of gives the entity of the catalog that stands for one of the mesh.
func (c *Catalog) Of(e *mesh.Entity) *Entity { return c.byMesh[e] }

// ByPath gives the entity of a REST path, or nil.
func (c *Catalog) ByPath(path string) *Entity {
	for _, e := range c.Entities {
		if e.Path == path {
			return e
		}
	}
	return nil
}

// Field gives a field by its outside name or, where that is another, its name in the manifest.
func (e *Entity) Field(name string) *Field {
	for _, f := range e.Fields {
		if f.Name == name {
			return f
		}
	}
	for _, f := range e.Fields {
		if f.Field.Name == name {
			return f
		}
	}
	return nil
}

// MeshFields gives the fields as the manifest has them.
func MeshFields(fields []*Field) []*mesh.Field {
	out := make([]*mesh.Field, len(fields))
	for i, f := range fields {
		out[i] = f.Field
	}
	return out
}

func newEntity(e *mesh.Entity) (*Entity, error) {
	out := &Entity{Entity: e, Type: Pascal(e.Name), Single: Camel(e.Name), List: Camel(e.Plural), Path: e.Plural}
	taken := names{entity: e.Name, used: map[string]string{}}
	for _, f := range e.Fields {
		field := &Field{Field: f, Name: Camel(f.Name)}
		taken.add(field.Name, "field "+f.Name)
		if f.Localized {
			field.All = field.Name + "All"
			taken.add(field.All, "all locales of field "+f.Name)
		}
		if f.Name == e.Key {
			out.Key = field
		}
		out.Fields = append(out.Fields, field)
	}
	if out.Key == nil {
		taken.faults = append(taken.faults, fmt.Errorf("entity %s: its key %q is not among its fields", e.Name, e.Key))
	}
	for _, r := range e.Relations {
		taken.add(Camel(r.Name), "relation "+r.Name)
	}
	return out, errors.Join(taken.faults...)
}

func (c *Catalog) addRelations(e *Entity) error {
	for _, r := range e.Entity.Relations {
		target := c.byMesh[r.Target]
		if target == nil {
			return fmt.Errorf("entity %s: relation %s leads to an entity outside the mesh", e.Entity.Name, r.Name)
		}
		e.Relations = append(e.Relations, &Relation{Relation: r, Name: Camel(r.Name), Target: target})
	}
	return nil
}

// checkRoots finds entities that would answer to the same name.
func (c *Catalog) checkRoots() error {
	taken := names{entity: "mesh", used: map[string]string{}}
	for _, e := range c.Entities {
		taken.entity = e.Entity.Name
		taken.add(e.Single, "entity "+e.Entity.Name)
		taken.add(e.List, "plural of entity "+e.Entity.Name)
		for _, f := range e.Unique() {
			taken.add(e.LookupName(f), "lookup by "+f.Field.Name+" of entity "+e.Entity.Name)
		}
	}
	return errors.Join(taken.faults...)
}

// Unique gives the fields, beside the key, by which one entity can be looked up.
func (e *Entity) Unique() []*Field {
	var out []*Field
	for _, f := range e.Fields {
		if f.Field.Unique && f != e.Key && !f.Localized && f.Comparable() {
			out = append(out, f)
		}
	}
	return out
}

// LookupName is the name of the lookup by a unique field: productByEan.
func (e *Entity) LookupName(f *Field) string { return e.Single + "By" + Pascal(f.Field.Name) }

// ValidName says whether GraphQL takes a name.
func ValidName(name string) bool { return validName.MatchString(name) }

type names struct {
	entity string
	used   map[string]string
	faults []error
}

var validName = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]*$`)

func (n *names) add(name, what string) {
	switch other, ok := n.used[name]; {
	case ok:
		n.faults = append(n.faults, fmt.Errorf("entity %s: %s and %s would both be called %q in GraphQL and REST: rename one", n.entity, other, what, name))
	case !ValidName(name):
		n.faults = append(n.faults, fmt.Errorf("entity %s: %s would be called %q, which GraphQL does not allow: use letters, digits and underscores, a letter first", n.entity, what, name))
	}
	n.used[name] = what
}

// Camel turns snake_case into camelCase and leaves other names as they are.
func Camel(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if b.Len() > 0 {
			part = upperFirst(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// Pascal is Camel with a capital first.
func Pascal(name string) string { return upperFirst(Camel(name)) }

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Screaming turns camelCase or snake_case into SCREAMING_SNAKE_CASE.
func Screaming(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' && i > 0 && name[i-1] != '_' && !(name[i-1] >= 'A' && name[i-1] <= 'Z') {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
