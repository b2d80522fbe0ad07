package mesh

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tributary/mesh/expr"
)

// check holds what was read against the rules that span several places of the manifest.
func (d *draft) check() {
	d.checkNames()
	for _, e := range d.entities {
		e.checkKey()
		e.checkFieldNames()
		for _, b := range e.blocks {
			e.checkSet(b)
		}
		if n := e.values["contributions"]; n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			e.r.fault(n, "nothing contributes to the entity", "write - from: system.stream")
		}
		for i := range e.fields {
			e.checkField(&e.fields[i])
		}
		for _, rel := range e.relations {
			e.checkRelation(rel)
		}
	}
}

// checkNames refuses names that would meet in the gateway: entities, plurals and types.
func (d *draft) checkNames() {
	seen := map[string]string{}
	for _, e := range d.entities {
		if e.Name == "" {
			continue
		}
		if slices.Contains(reservedEntities(), folded(e.Name)) {
			e.r.fault(e.at("entity"), fmt.Sprintf("entity name %q is taken by GraphQL", e.Name), "give it another name")
		}
		for _, n := range []struct{ key, name string }{{"entity", e.Name}, {"plural", e.Plural}} {
			owner := n.key + " " + n.name
			if first, twice := seen[folded(n.name)]; twice && first != owner {
				e.r.fault(e.at(n.key), fmt.Sprintf("the %s %q meets %s in the API", n.key, n.name, first), "give the entity a plural of its own: plural: all_"+e.Name)
				continue
			}
			seen[folded(n.name)] = owner
		}
	}
}

// draftOf gives the field of that name with what was written about it, or nil.
func (e *entityDraft) draftOf(name string) *fieldDraft {
	for i := range e.fields {
		if e.fields[i].Name == name {
			return &e.fields[i]
		}
	}
	return nil
}

func (e *entityDraft) fieldNames() []string {
	names := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		names[i] = f.Name
	}
	return names
}

// checkKey holds the key field against what an id may be. It becomes required.
func (e *entityDraft) checkKey() {
	if e.Key == "" {
		return
	}
	f := e.draftOf(e.Key)
	if f == nil && len(e.fields) == 0 {
		return
	}
	if f == nil {
		e.r.fault(e.at("key"), fmt.Sprintf("key %q is no field of %s", clip(e.Key), e.Name), oneOf(e.Key, e.fieldNames()))
		return
	}
	f.Required = true
	if k := f.Type.Kind; k != 0 && k != String && k != Int && k != UUID {
		f.r.fault(f.at("type"), fmt.Sprintf("the key %s has type %s", e.Key, f.Type), "an id is a string, int or uuid")
	}
	for _, no := range []string{"owner", "rule", "from", "group", "localized"} {
		if f.has(no) && !(no == "localized" && !f.Localized) {
			f.r.fault(f.keys[no], fmt.Sprintf("the key %s takes no %s", e.Key, no), "the key is set by a contribution's key alone: remove it")
		}
	}
	f.Rule = Rule{Name: Only}
}

// checkFieldNames refuses fields and relations that meet in the API or in a store, which may be
// blind to case.
func (e *entityDraft) checkFieldNames() {
	seen := map[string]string{}
	for _, f := range e.fields {
		for _, name := range []string{f.Name, f.Name + "All"} {
			if name != f.Name && !f.Localized {
				continue
			}
			if first, twice := seen[strings.ToLower(name)]; twice {
				e.r.fault(f.key, fmt.Sprintf("field %s meets %s in the API", f.Name, first), "give it another name")
				continue
			}
			seen[strings.ToLower(name)] = "field " + f.Name
		}
	}
	for _, rel := range e.relations {
		if first, twice := seen[strings.ToLower(rel.Name)]; twice {
			e.r.fault(rel.key, fmt.Sprintf("relation %s meets %s in the API", rel.Name, first), "give it another name")
			continue
		}
		seen[strings.ToLower(rel.Name)] = "relation " + rel.Name
	}
}

// checkSet holds the fields that a block sets, and the form of their expressions, against the
// entity's fields.
func (e *entityDraft) checkSet(b blockDraft) {
	for _, s := range b.set {
		if e.Field(s.key.Value) == nil {
			e.r.fault(s.key, fmt.Sprintf("unknown field %q", clip(s.key.Value)), oneOf(s.key.Value, e.fieldNames()))
		}
		if s.key.Value == e.Key {
			e.r.fault(s.key, fmt.Sprintf("set holds the key %s", e.Key), "the contribution's key sets it: remove it here")
		}
	}
	for _, a := range b.Set {
		e.checkAssignment(a)
	}
}

func (e *entityDraft) checkAssignment(a Assignment) {
	form, err := expr.Parse(a.Expr)
	if err != nil {
		e.r.exprFaults(a.Pos, err)
		return
	}
	f := e.Field(a.Field)
	switch {
	case f == nil:
	case f.Localized && (form == expr.FormColumn || form == expr.FormLiteral):
		e.r.add(a.Pos, fmt.Sprintf("%s is localized: it takes locale and value", f.Name), `write "{row.locale: row.title}" or "{'en': row.title}"`)
	case !f.Localized && form == expr.FormMap:
		e.r.add(a.Pos, fmt.Sprintf("%s is not localized: it takes one value", f.Name), "write the value alone, or localized: true at the field")
	}
}

// checkRelation holds the fields that a relation compares against each other.
func (e *entityDraft) checkRelation(rel relationDraft) {
	local := e.Field(rel.LocalField)
	if local == nil && rel.LocalField != "" {
		rel.r.fault(rel.on.value, fmt.Sprintf("unknown field %q of %s", clip(rel.LocalField), e.Name), oneOf(rel.LocalField, e.fieldNames()))
	}
	if rel.Target == nil || rel.TargetField == "" {
		return
	}
	target := rel.Target.Field(rel.TargetField)
	if target == nil {
		var names []string
		for _, f := range rel.Target.Fields {
			names = append(names, f.Name)
		}
		rel.r.fault(rel.on.key, fmt.Sprintf("unknown field %q of %s", clip(rel.TargetField), rel.Target.Name), oneOf(rel.TargetField, names))
	}
	if local == nil || target == nil || local.Type.Kind == 0 || target.Type.Kind == 0 {
		return
	}
	for _, f := range []*Field{target, local} {
		if f.Localized || f.Type.Kind == List || f.Type.Kind == JSON || f.Type.Kind == Bytes {
			rel.r.fault(rel.on.key, fmt.Sprintf("a relation cannot compare %s, which is %s", f.Name, kindOf(f)), "name fields with one plain value")
			return
		}
	}
	if !target.Type.Equal(local.Type) {
		rel.r.fault(rel.on.key, fmt.Sprintf("%s.%s is %s, but %s.%s is %s", rel.Target.Name, target.Name, target.Type, e.Name, local.Name, local.Type), "give both the same type")
	}
}

func kindOf(f *Field) string {
	if f.Localized {
		return "localized"
	}
	return "a " + f.Type.String()
}
