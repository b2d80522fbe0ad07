package sqlite

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"tributary/schemas"
)

// A localized field is one column: a JSON object of locale to stored value, as a literal.

// decodeLocales reads an Avro map of locale to value into such an object, its keys sorted, which
// it appends to scratch.
func (c column) decodeLocales(avro, scratch []byte) (cell, []byte, error) {
	var few [8]schemas.LocaleValue
	entries, err := schemas.AppendLocales(few[:0], c.fieldType, avro)
	if err != nil {
		return cell{}, scratch, err
	}
	slices.SortStableFunc(entries, func(a, b schemas.LocaleValue) int { return bytes.Compare(a.Locale, b.Locale) })
	start := len(scratch)
	scratch = append(scratch, '{')
	for i, e := range entries {
		if i > 0 {
			scratch = append(scratch, ',')
		}
		scratch = append(schemas.AppendQuoted(scratch, e.Locale), ':')
		value, err := c.decode(e.Value)
		if err != nil {
			return cell{}, scratch, err
		}
		if c.raw {
			scratch = append(scratch, value.b...)
		} else {
			scratch = value.appendLiteral(scratch)
		}
	}
	scratch = append(scratch, '}')
	return textCell(scratch[start:]), scratch, nil
}

// renderLocales appends the object of all locales as answers have it.
func (s storage) renderLocales(dst, object []byte) []byte {
	if s.raw || s.text {
		return append(dst, object...)
	}
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	dst = append(dst, '{')
	_, _ = dec.Token() // the brace; what decodeLocales wrote is well-formed
	for first := true; dec.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		locale, _ := dec.Token()
		name, _ := locale.(string)
		dst = append(schemas.AppendQuoted(dst, []byte(name)), ':')
		tok, _ := dec.Token()
		if c, err := parseLiteral(tok, s.affinity); err == nil && !c.null() {
			dst = s.render(dst, c)
		} else {
			dst = append(dst, "null"...)
		}
	}
	return append(dst, '}')
}

// inLocale is the SQL of one locale's stored value; path is a parameter as localePath gives it.
func (s storage) inLocale(column, path string) string {
	switch {
	case s.raw:
		return "(" + column + " -> " + path + ")"
	case s.affinity == "BLOB":
		return "unhex(" + column + " ->> " + path + ")"
	}
	return "(" + column + " ->> " + path + ")"
}

// localePath is the JSON path of a locale; null, and so no value, where it could not be one.
func localePath(locale string) cell {
	if strings.ContainsAny(locale, `"\`) {
		return cell{}
	}
	return textCell([]byte(`$."` + locale + `"`))
}
