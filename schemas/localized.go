package schemas

import "tributary/mesh"

// A LocaleValue is one entry of a localized field: the Avro value of the field's type, without
// null, for a locale.
type LocaleValue struct{ Locale, Value []byte }

// AppendLocales appends the entries of a localized field's value, an Avro map, in its order.
// They point into value.
func AppendLocales(dst []LocaleValue, t mesh.Type, value []byte) ([]LocaleValue, error) {
	r := NewReader(value)
	skip := skipperOf(t)
	r.skipBlocks(func(r *Reader) {
		locale := r.Bytes()
		if v := r.span(skip); r.err == nil {
			dst = append(dst, LocaleValue{locale, nonNil(v)})
		}
	})
	return dst, r.Err()
}

// AppendLocalized appends a localized field's value: an Avro map of the entries in their order,
// without null branch.
func AppendLocalized(dst []byte, entries []LocaleValue) []byte {
	if len(entries) > 0 {
		dst = AppendLong(dst, int64(len(entries)))
		for _, e := range entries {
			dst = append(AppendBytes(dst, e.Locale), e.Value...)
		}
	}
	return append(dst, 0)
}
