package mesh

import (
	"errors"
	"fmt"

	"gopkg.in/yaml.v3"

	"tributary/mesh/expr"
)

// maxFields bounds the fields of an entity, each of which is a column of its view.
const maxFields = 1000

// An entityDraft is an entity with what was written about it.
type entityDraft struct {
	*Entity
	object
	fields    []fieldDraft
	relations []relationDraft
	blocks    []blockDraft
}

// A fieldDraft is a field with what was written about it.
type fieldDraft struct {
	*Field
	object
	key  *yaml.Node   // its name
	from []*yaml.Node // the entries of its rule's from
}

// A relationDraft is a relation with what was written about it.
type relationDraft struct {
	*Relation
	object
	key *yaml.Node // its name
	on  entry
}

// A blockDraft is a block of contributions with what was written about it.
type blockDraft struct {
	*Block
	object
	set []entry
}

// entity reads a document of an entity.
func (d *draft) entity(r *reader, n *yaml.Node) {
	o := r.object(n, entityShape())
	e := &Entity{Name: o.name("entity", "entity"), Plural: o.name("plural", "plural"), Key: o.text("key"),
		Owner: o.text("owner"), Description: o.text("description"), Pos: r.pos(o.at("entity"))}
	if e.Plural == "" && e.Name != "" {
		e.Plural = pluralOf(e.Name)
	}
	ed := &entityDraft{Entity: e, object: o}
	for i, f := range o.entries("fields", "field") {
		if i == maxFields {
			r.fault(f.key, fmt.Sprintf("the entity has more than %d fields", maxFields), "part it into several entities, or keep what belongs together in a json field")
			break
		}
		ed.field(f)
	}
	for _, rel := range o.entries("relations", "relation") {
		ed.relation(rel)
	}
	for _, b := range o.items("contributions") {
		ed.block(b)
	}
	d.entities = append(d.entities, ed)
}

func (e *entityDraft) field(at entry) {
	o := e.r.object(at.value, fieldShape())
	f := &Field{Name: at.key.Value, Required: o.flag("required"), Unique: o.flag("unique"), Localized: o.flag("localized"),
		Group: o.text("group"), Classification: o.choice("classification", classifications()),
		Description: o.text("description"), Deprecated: o.text("deprecated"), Pos: e.r.pos(at.key)}
	if t := o.text("type"); t != "" {
		var err error
		if f.Type, err = ParseType(t); err != nil {
			o.r.fault(o.at("type"), err.Error(), "")
		}
	}
	fresh := o.object("freshness", freshnessShape())
	f.Freshness = Freshness{fresh.duration("warn"), fresh.duration("error")}
	if f.Freshness.Warn > f.Freshness.Error && f.Freshness.Error > 0 {
		o.r.fault(fresh.at("warn"), "warn is above error", "warn comes first: give it the smaller duration")
	}
	fd := fieldDraft{Field: f, object: o, key: at.key}
	fd.rule()
	fd.validate()
	e.fields = append(e.fields, fd)
	e.Fields = append(e.Fields, f)
}

// rule reads how a field is chosen: owner, or rule with from.
func (f *fieldDraft) rule() {
	for _, n := range f.items("from") {
		if s := f.r.text(n, "an entry of from"); s != "" {
			f.from = append(f.from, n)
			f.Rule.From = append(f.Rule.From, s)
		}
	}
	f.Rule.Name = RuleName(f.choice("rule", ruleNames()))
	if !f.has("owner") {
		return
	}
	if f.has("rule") || f.has("from") {
		f.r.fault(f.at("owner"), "owner stands beside rule or from", "owner is short for rule: owner; keep one of them")
		return
	}
	if owner := f.text("owner"); owner != "" {
		f.Rule = Rule{Name: Owner, From: []string{owner}}
		f.from = []*yaml.Node{f.at("owner")}
	}
}

// validate reads and type-checks the expression over the field's value.
func (f *fieldDraft) validate() {
	src, pos := f.expression("validate")
	f.Validate = src
	if src == "" || f.Type.Kind == 0 {
		return
	}
	if _, err := expr.CompileValidate(src, ValueType(f.Type)); err != nil {
		f.r.exprFaults(pos, err)
	}
}

func (e *entityDraft) relation(at entry) {
	o := e.r.object(at.value, relationShape())
	rd := relationDraft{Relation: &Relation{Name: at.key.Value, One: o.flag("one"), Pos: e.r.pos(at.key)}, object: o, key: at.key}
	if n := o.values["on"]; n != nil {
		pairs := e.r.pairs(n, "on")
		switch {
		case len(pairs) == 1:
			rd.on = pairs[0]
			rd.TargetField, rd.LocalField = pairs[0].key.Value, e.r.text(pairs[0].value, "on")
		case n.Kind == yaml.MappingNode:
			e.r.fault(n, fmt.Sprintf("on must hold one pair of fields, found %d", len(pairs)), "write on: { field of the other: field of this entity }")
		}
	}
	e.relations = append(e.relations, rd)
	e.Relations = append(e.Relations, rd.Relation)
}

func (e *entityDraft) block(n *yaml.Node) {
	o := e.r.object(n, contributionShape())
	b := &Block{Name: o.text("name"), Pos: e.r.pos(n)}
	bd := blockDraft{Block: b, object: o}
	if b.Name != "" && (len(b.Name) > 2*maxName || !blockPattern.MatchString(b.Name)) {
		e.r.fault(o.at("name"), fmt.Sprintf("contribution %q must hold only letters, digits and . _ - #", clip(b.Name)), "")
	}
	b.Key, b.KeyPos = bd.parsed("key")
	b.When, b.WhenPos = bd.parsed("when")
	b.At, b.AtPos = bd.parsed("at")
	if set := o.values["set"]; set != nil {
		bd.set = e.r.pairs(set, "set")
	}
	for _, s := range bd.set {
		src, pos := e.r.expression(s.value, s.key.Value)
		if src != "" {
			b.Set = append(b.Set, Assignment{Field: s.key.Value, Expr: src, Pos: pos})
		}
	}
	e.blocks = append(e.blocks, bd)
	e.Contributions = append(e.Contributions, b)
}

// parsed reads the expression behind a key and checks its syntax.
func (b *blockDraft) parsed(key string) (string, Pos) {
	src, pos := b.expression(key)
	if src != "" {
		if _, err := expr.Parse(src); err != nil {
			b.r.exprFaults(pos, err)
		}
	}
	return src, pos
}

// exprFaults adds the faults of an expression whose text begins at p.
func (c *collector) exprFaults(p Pos, err error) {
	c.faults = append(c.faults, exprFaults(p, err)...)
}

// exprFaults places the faults of an expression whose text begins at p.
func exprFaults(p Pos, err error) Faults {
	var faults expr.Errors
	if !errors.As(err, &faults) {
		return Faults{{Pos: p, What: err.Error()}}
	}
	var out Faults
	for _, e := range faults {
		at := p
		if e.Line == 1 {
			at.Column += e.Column - 1
		} else {
			at.Line += e.Line - 1 // of a literal block, whose lines are indented alike
			at.Column += e.Column - 1
		}
		out = append(out, Fault{Pos: at, What: e.What, Suggestion: e.Suggestion})
	}
	return out
}
