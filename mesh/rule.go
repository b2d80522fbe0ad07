package mesh

import (
	"fmt"
	"slices"
	"strings"
)

// setters gives the streams that set a field; of field "" the streams that contribute at all.
func (e *Entity) setters(field string) []string {
	var streams []string
	for _, b := range e.Contributions {
		sets := field == "" || slices.ContainsFunc(b.Set, func(a Assignment) bool { return a.Field == field })
		if b.From != nil && sets && !slices.Contains(streams, b.From.ID()) {
			streams = append(streams, b.From.ID())
		}
	}
	return streams
}

// ruleNamesOf gives the names by which a rule may speak of streams: their systems, and they
// themselves.
func ruleNamesOf(streams []string) []string {
	systems := systemsOf(streams)
	return append(systems, streams...)
}

// systemsOf gives the distinct systems of streams.
func systemsOf(streams []string) []string {
	var systems []string
	for _, id := range streams {
		if system, _, _ := strings.Cut(id, "."); !slices.Contains(systems, system) {
			systems = append(systems, system)
		}
	}
	return systems
}

// covers says whether the name of a system or a stream stands for the stream.
func covers(name, stream string) bool {
	return name == stream || strings.HasPrefix(stream, name+".")
}

// checkField holds a field's rule against its type and against what sets it.
func (e *entityDraft) checkField(f *fieldDraft) {
	f.checkFlags()
	if f.Name == e.Key {
		return
	}
	streams := e.setters(f.Name)
	if len(streams) == 0 {
		if !e.unsure() {
			f.r.fault(f.key, fmt.Sprintf("nothing sets %s", f.Name), "add it to the set of a contribution, or remove the field")
		}
		return
	}
	e.checkFrom(f, streams)
	switch {
	case f.Group != "":
		e.checkGroup(f)
	case f.Rule.Name != "":
		f.checkRule()
	case f.has("rule") || f.has("owner"): // its fault is known
	case len(streams) > 1:
		f.r.fault(f.key, fmt.Sprintf("%s set %s, and no rule says which counts", and(streams), f.Name),
			"write owner: "+systemsOf(streams)[0]+", or rule: priority with from: ["+strings.Join(streams, ", ")+"]")
	default:
		f.Rule = Rule{Name: Only}
	}
}

// unsure says whether contributions were lost to other faults, so that nothing can be said about
// what sets a field.
func (e *entityDraft) unsure() bool {
	for _, b := range e.blocks {
		if b.From == nil || len(b.set) != len(b.Set) || b.has("set") && len(b.set) == 0 {
			return true
		}
	}
	return len(e.blocks) == 0
}

// checkFlags holds localized and unique against the field's type.
func (f *fieldDraft) checkFlags() {
	k := f.Type.Kind
	if f.Localized && k != 0 && k != String {
		f.r.fault(f.at("localized"), fmt.Sprintf("%s is %s and localized", f.Name, f.Type), "only a string has values by locale")
	}
	if f.Unique && (f.Localized || slices.Contains([]Kind{Float, Bool, JSON, Bytes, List}, k)) {
		f.r.fault(f.at("unique"), fmt.Sprintf("%s is %s and unique", f.Name, kindOf(f.Field)), "no look-up goes by such values: remove unique")
	}
}

// checkFrom holds the names in from against what contributes. What sets a field and takes no
// part in its rule would have no say; only an owner is contradicted openly.
func (e *entityDraft) checkFrom(f *fieldDraft, streams []string) {
	if f.has("from") && !f.has("rule") && !f.has("owner") {
		f.r.fault(f.keys["from"], "from stands without a rule", "write rule: priority, or another rule, beside it")
		return
	}
	able, does := e.setters(""), "contribute to "+e.Name
	if f.Rule.Name == Owner {
		able, does = streams, "set "+f.Name
	}
	good := true
	for i, name := range f.Rule.From {
		switch {
		case !slices.ContainsFunc(able, func(s string) bool { return covers(name, s) }):
			f.r.fault(f.from[i], fmt.Sprintf("%s does not %s", clip(name), does), oneOf(name, ruleNamesOf(able)))
			good = false
		case slices.ContainsFunc(f.Rule.From[:i], func(before string) bool { return covers(before, name) }):
			f.r.fault(f.from[i], fmt.Sprintf("%s stands in from already", clip(name)), "remove it")
		}
	}
	if f.Rule.Name == Owner || f.Rule.Name == "" || len(f.Rule.From) == 0 || !good {
		return
	}
	for _, s := range streams {
		if !slices.ContainsFunc(f.Rule.From, func(name string) bool { return covers(name, s) }) {
			f.r.fault(f.at("from"), fmt.Sprintf("%s sets %s, but takes no part in its rule", s, f.Name), "add it to from, or do not set the field there")
		}
	}
}

// checkRule holds a rule against the field's type.
func (f *fieldDraft) checkRule() {
	rule, at := f.Rule.Name, f.at("rule")
	switch {
	case rule == Priority && !f.has("from"):
		f.r.fault(at, "rule priority needs from", "name the systems in falling rank: from: [pim, erp]")
	case rule == Owner && f.has("rule") && len(f.Rule.From) != 1:
		f.r.fault(at, "rule owner needs one name in from", "write owner: erp")
	}
	takes := kindsOf(rule)
	switch {
	case takes == nil || f.Type.Kind == 0:
	case f.Localized:
		f.r.fault(at, fmt.Sprintf("rule %s cannot choose a localized field", rule), "use owner, priority or most_recent")
	case !slices.Contains(takes, f.Type.Kind):
		var types []string
		for _, k := range takes {
			types = append(types, k.String())
		}
		f.r.fault(at, fmt.Sprintf("rule %s cannot choose a %s", rule, f.Type), "it takes "+strings.Join(types, ", "))
	}
}

// kindsOf lists the types that a rule computes with; nil means all.
func kindsOf(rule RuleName) []Kind {
	switch rule {
	case Sum:
		return []Kind{Int, Float, Decimal}
	case Count:
		return []Kind{Int}
	case Min, Max:
		return []Kind{Int, Float, Decimal, Timestamp, Date, String}
	}
	return nil
}

// checkGroup holds a field that follows a lead against it, and gives it the lead's rule.
func (e *entityDraft) checkGroup(f *fieldDraft) {
	at := f.at("group")
	lead := e.draftOf(f.Group)
	switch {
	case lead == nil:
		f.r.fault(at, fmt.Sprintf("unknown field %q", clip(f.Group)), oneOf(f.Group, e.fieldNames()))
	case lead == f:
		f.r.fault(at, f.Name+" leads itself", "name the field that it follows, or remove group")
	case f.Group == e.Key:
		f.r.fault(at, "the key leads no group: nothing chooses it", "name a field with a rule")
	case lead.has("group"):
		f.r.fault(at, fmt.Sprintf("%s follows %s itself", f.Group, lead.Group), "write group: "+lead.Group)
	case lead.Rule.Name == Sum || lead.Rule.Name == Count:
		f.r.fault(at, fmt.Sprintf("%s has rule %s, which chooses no contribution", f.Group, lead.Rule.Name), "a lead has owner, priority, most_recent, min or max")
	case lead.Localized || f.Localized:
		f.r.fault(at, "a localized field is in no group: its value is chosen locale by locale", "remove group")
	case f.has("rule") || f.has("from"):
		f.r.fault(f.keys[first(f.object, "rule", "from")], fmt.Sprintf("%s follows %s and has a rule of its own", f.Name, f.Group), "remove the rule, or group")
	case f.has("owner") && (lead.Rule.Name != Owner || !slices.Equal(lead.Rule.From, f.Rule.From)):
		f.r.fault(f.at("owner"), fmt.Sprintf("%s follows %s, but has another owner", f.Name, f.Group), "remove owner, or group")
	default:
		e.checkMember(f)
		f.Rule = e.leadRule(lead)
	}
}

// checkMember refuses contributions of a member that can never win, as they do not set its lead.
func (e *entityDraft) checkMember(f *fieldDraft) {
	for _, b := range e.blocks {
		sets := func(field string) bool {
			return slices.ContainsFunc(b.Set, func(a Assignment) bool { return a.Field == field })
		}
		if sets(f.Name) && !sets(f.Group) {
			b.r.fault(b.at("set"), fmt.Sprintf("%s sets %s, but not %s, which it follows", b.Name, f.Name, f.Group), "set both there, or neither")
		}
	}
}

// leadRule is a lead's rule, which may not be filled in yet.
func (e *entityDraft) leadRule(lead *fieldDraft) Rule {
	if lead.Rule.Name == "" {
		return Rule{Name: Only}
	}
	return lead.Rule
}

// first gives the first of the keys that has a value.
func first(o object, keys ...string) string {
	for _, k := range keys {
		if o.has(k) {
			return k
		}
	}
	return ""
}

// and joins names: a and b; a, b and c.
func and(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
