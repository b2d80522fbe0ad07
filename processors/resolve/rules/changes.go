package rules

import (
	"bytes"
	"slices"

	"tributary/schemas"
)

// Changes hands over each field, and each locale of a localized field, whose value differs
// between two views of one entity; old is nil for a new entity, new for a deleted one. Values
// are Avro, nil for null, and point into the views.
func (r *Rules) Changes(old, new *schemas.View, emit func(field int, locale string, old, new []byte)) {
	for i := range r.fields {
		f := &r.fields[i]
		before, after := valueOf(old, i), valueOf(new, i)
		switch {
		case before == nil && after == nil || before != nil && after != nil && bytes.Equal(before, after):
		case f.Localized:
			r.localeChanges(f, before, after, emit)
		case before == nil || after == nil || !same(f.Type.Kind, before, after):
			emit(i, "", before, after)
		}
	}
}

func valueOf(v *schemas.View, field int) []byte {
	if v == nil || field >= len(v.Values) {
		return nil
	}
	return v.Values[field]
}

func (r *Rules) localeChanges(f *field, old, new []byte, emit func(field int, locale string, old, new []byte)) {
	before, after := r.localesOf(f, old), r.localesOf(f, new)
	for len(before) > 0 || len(after) > 0 {
		order := compareFirst(before, after)
		var was, is []byte
		var locale string
		if order <= 0 {
			locale, was, before = r.intern(before[0].Locale), before[0].Value, before[1:]
		}
		if order >= 0 {
			locale, is, after = r.intern(after[0].Locale), after[0].Value, after[1:]
		}
		if was == nil || is == nil || !same(f.Type.Kind, was, is) {
			emit(f.index, locale, was, is)
		}
	}
}

func (r *Rules) localesOf(f *field, value []byte) []schemas.LocaleValue {
	if value == nil {
		return nil
	}
	entries, err := schemas.AppendLocales(nil, f.Type, value)
	if err != nil {
		return nil
	}
	slices.SortFunc(entries, func(a, b schemas.LocaleValue) int { return bytes.Compare(a.Locale, b.Locale) })
	return entries
}

// compareFirst orders the first entries of two sorted lists; an empty list comes last.
func compareFirst(a, b []schemas.LocaleValue) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	}
	return bytes.Compare(a[0].Locale, b[0].Locale)
}
