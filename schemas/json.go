package schemas

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tributary/mesh"
)

// ErrTrailing is returned for an Avro value with bytes behind its end.
var ErrTrailing = errors.New("avro value has bytes behind its end")

// ErrJSON is returned for a value of type json that is not valid JSON.
var ErrJSON = errors.New("value is not valid JSON")

// AppendJSON appends an Avro value of a field's type, without null branch, as JSON: decimals as
// strings with exactly their scale, integers beyond ±2^53 as strings, floats that JSON cannot
// hold as "NaN", "Infinity" and "-Infinity", times as RFC 3339 in UTC, bytes as base64, json as
// it is without white space. Errors tell nothing of the value (I11).
func AppendJSON(dst []byte, t mesh.Type, avro []byte) ([]byte, error) {
	r := NewReader(avro)
	out, err := appendJSON(dst, t, &r)
	return finish(dst, out, &r, err)
}

// AppendLocalizedJSON appends a localized field's value, an Avro map of locale to value, as an
// object with sorted keys: {"de":"Hose","en":"Trousers"}.
func AppendLocalizedJSON(dst []byte, t mesh.Type, avro []byte) ([]byte, error) {
	var few [8]LocaleValue
	entries, err := AppendLocales(few[:0], t, avro)
	if err != nil {
		return dst, err
	}
	slices.SortStableFunc(entries, func(a, b LocaleValue) int { return strings.Compare(string(a.Locale), string(b.Locale)) })
	out := append(dst, '{')
	for i, e := range entries {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(AppendQuoted(out, e.Locale), ':')
		if out, err = AppendJSON(out, t, e.Value); err != nil {
			return dst, err
		}
	}
	return append(out, '}'), nil
}

func finish(dst, out []byte, r *Reader, err error) ([]byte, error) {
	switch {
	case r.Err() != nil:
		return dst, r.Err()
	case err != nil:
		return dst, err
	case len(r.Rest()) > 0:
		return dst, ErrTrailing
	}
	return out, nil
}

// appendJSON appends the value that r stands at. r's own error is for the caller to look at.
func appendJSON(dst []byte, t mesh.Type, r *Reader) ([]byte, error) {
	switch t.Kind {
	case mesh.Int:
		return appendJSONInt(dst, r.Long()), nil
	case mesh.Float:
		return appendJSONFloat(dst, r.Double()), nil
	case mesh.Bool:
		return strconv.AppendBool(dst, r.Bool()), nil
	case mesh.Decimal:
		b := r.Bytes()
		if r.Err() != nil {
			return dst, r.Err()
		}
		dst, err := AppendDecimalText(append(dst, '"'), b, t.Scale)
		return append(dst, '"'), err
	case mesh.Timestamp:
		return append(appendTimestamp(append(dst, '"'), r.Long()), '"'), nil
	case mesh.Date:
		days := r.Long()
		if days != int64(int32(days)) {
			return dst, errDays
		}
		return append(appendDate(append(dst, '"'), days), '"'), nil
	case mesh.Bytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), r.Bytes()), '"'), nil
	case mesh.JSON:
		return appendCompact(dst, r.Bytes())
	case mesh.List:
		return appendJSONList(dst, *t.Elem, r)
	}
	return AppendQuoted(dst, r.Bytes()), nil
}

func appendJSONInt(dst []byte, v int64) []byte {
	const most = 1 << 53 // beyond it a JavaScript number loses digits
	if v <= most && v >= -most {
		return strconv.AppendInt(dst, v, 10)
	}
	return append(strconv.AppendInt(append(dst, '"'), v, 10), '"')
}

func appendJSONFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) { // as ECMAScript does
		return strconv.AppendFloat(dst, v, 'e', -1, 64)
	}
	return strconv.AppendFloat(dst, v, 'f', -1, 64)
}

func appendJSONList(dst []byte, elem mesh.Type, r *Reader) ([]byte, error) {
	dst = append(dst, '[')
	list := items{r: r}
	for n := 0; list.next(); n++ {
		if n > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, elem, r); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// appendCompact appends JSON without its white space.
func appendCompact(dst, text []byte) ([]byte, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return dst, ErrJSON
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			dst = append(dst, c)
			i++
			c = text[i] // valid JSON does not end here
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// AppendQuoted appends text as a JSON string. What is not UTF-8 becomes U+FFFD; the line separators
// U+2028 and U+2029 are escaped, so that the text can stand in JavaScript too.
func AppendQuoted(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		var escape []byte
		switch {
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRune(text[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				escape = []byte(`\ufffd`)
			case r == '\u2028':
				escape = []byte(`\u2028`)
			case r == '\u2029':
				escape = []byte(`\u2029`)
			default:
				i += size
				continue
			}
		case c == '\n':
			escape = []byte(`\n`)
		case c == '\r':
			escape = []byte(`\r`)
		case c == '\t':
			escape = []byte(`\t`)
		case c < ' ':
			escape = []byte{'\\', 'u', '0', '0', hex[c>>4], hex[c&0xf]}
		default:
			escape = []byte{'\\', c}
		}
		dst = append(append(dst, text[start:i]...), escape...)
		i += size
		start = i
	}
	return append(append(dst, text[start:]...), '"')
}
