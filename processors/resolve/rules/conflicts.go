package rules

import (
	"bytes"
	"slices"

	"tributary/schemas"
)

// Transition is what became of a conflict between two views.
type Transition string

// The transitions.
const (
	Opened   Transition = "open"
	Updated  Transition = "updated" // the same field, but other rows or values disagree
	Resolved Transition = "resolved"
)

// A ConflictChange is one conflict that began, changed or ended.
type ConflictChange struct {
	Field      int
	Locale     string // "" unless the field is localized
	Transition Transition
	// Old and New are the field's provenance in the two views, whose Meta.Sources they index;
	// nil where the view, or the locale, does not exist.
	Old, New *schemas.Provenance
}

// Conflicts hands over each conflict that differs between two views of one entity; old is nil
// for a new entity, new for a deleted one. A conflict is the same while the same rows say the
// same: positions and times do not count.
func (r *Rules) Conflicts(old, new *schemas.View, emit func(ConflictChange)) {
	if new != nil {
		for i := range new.Meta.Fields {
			p := &new.Meta.Fields[i]
			was := find(old, p)
			if t := r.transition(old, new, was, p); t != "" {
				r.emit(emit, ConflictChange{Locale: p.Locale, Transition: t, Old: was, New: p}, p.Field)
			}
		}
	}
	if old == nil {
		return
	}
	for i := range old.Meta.Fields {
		if p := &old.Meta.Fields[i]; p.Conflict && find(new, p) == nil {
			r.emit(emit, ConflictChange{Locale: p.Locale, Transition: Resolved, Old: p}, p.Field)
		}
	}
}

// emit fills in the field's index; a field that the manifest no longer has is left out, since
// its conflicts ended with the generation that knew it.
func (r *Rules) emit(emit func(ConflictChange), c ConflictChange, name string) {
	if c.Field = slices.IndexFunc(r.fields, func(f field) bool { return f.Name == name }); c.Field >= 0 {
		emit(c)
	}
}

func (r *Rules) transition(old, new *schemas.View, was, is *schemas.Provenance) Transition {
	before := was != nil && was.Conflict
	switch {
	case is.Conflict && !before:
		return Opened
	case before && !is.Conflict:
		return Resolved
	case before && is.Conflict && !r.sameConflict(old, new, was, is):
		return Updated
	}
	return ""
}

func (r *Rules) sameConflict(old, new *schemas.View, a, b *schemas.Provenance) bool {
	if a.Rule != b.Rule || a.LoserCount != b.LoserCount || a.InputCount != b.InputCount || len(a.Losers) != len(b.Losers) ||
		!sameRow(old, new, a.Winner, b.Winner) {
		return false
	}
	for i := range a.Losers {
		if !sameRow(old, new, a.Losers[i].Source, b.Losers[i].Source) || !bytes.Equal(a.Losers[i].Value, b.Losers[i].Value) {
			return false
		}
	}
	field := slices.IndexFunc(r.fields, func(f field) bool { return f.Name == a.Field })
	return field < 0 || r.sameValue(field, a.Locale, old, new)
}

func (r *Rules) sameValue(field int, locale string, old, new *schemas.View) bool {
	a, b := valueOf(old, field), valueOf(new, field)
	if locale != "" {
		a, b = r.localeValue(field, locale, a), r.localeValue(field, locale, b)
	}
	return (a == nil) == (b == nil) && bytes.Equal(a, b)
}

func (r *Rules) localeValue(field int, locale string, value []byte) []byte {
	for _, e := range r.localesOf(&r.fields[field], value) {
		if string(e.Locale) == locale {
			return e.Value
		}
	}
	return nil
}

func sameRow(old, new *schemas.View, a, b int32) bool {
	x, y := rowOf(old, a), rowOf(new, b)
	if x == nil || y == nil {
		return x == y
	}
	return x.Stream == y.Stream && x.Block == y.Block && x.SourceKey == y.SourceKey
}

// rowOf gives the source row of that index, nil for −1 or an index that the view does not have.
func rowOf(v *schemas.View, i int32) *schemas.SourceRef {
	if i < 0 || int(i) >= len(v.Meta.Sources) {
		return nil
	}
	return &v.Meta.Sources[i]
}

func find(v *schemas.View, like *schemas.Provenance) *schemas.Provenance {
	if v == nil {
		return nil
	}
	for i := range v.Meta.Fields {
		if p := &v.Meta.Fields[i]; p.Field == like.Field && p.Locale == like.Locale {
			return p
		}
	}
	return nil
}
