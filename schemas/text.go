package schemas

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tributary/mesh"
)

// ErrText is wrapped by every error of ParseText: the text is no value of the type. The error
// says what was expected and tells nothing of the text (I11).
var ErrText = errors.New("not a value of the type")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrText, fmt.Sprintf(format, args...))
}

// ParseText appends the value that a text means as Avro, without null branch. It reads what
// Postgres prints and what RFC 3339 and JSON write: integers; decimals, exact, with or without
// exponent; floats with NaN and Infinity; true, false, t, f; times with an offset, or in UTC
// without one, with T or a space, BC years, infinity; dates; UUIDs in any case; bytes as \x and
// hex digits. Lists have no text. On an error dst comes back as it was.
func ParseText(dst []byte, t mesh.Type, text string) ([]byte, error) {
	switch t.Kind {
	case mesh.Int:
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return dst, bad("an int is a whole number from -2^63 to 2^63-1")
		}
		return AppendLong(dst, v), nil
	case mesh.Float:
		return parseFloat(dst, text)
	case mesh.Bool:
		if text == "true" || text == "t" || text == "false" || text == "f" {
			return AppendBool(dst, text[0] == 't'), nil
		}
		return dst, bad("a bool is true or false")
	case mesh.Decimal:
		return parseDecimal(dst, t, text)
	case mesh.Timestamp:
		v, err := parseTimestamp(text)
		if err != nil {
			return dst, err
		}
		return AppendLong(dst, v), nil
	case mesh.Date:
		v, err := parseDate(text)
		if err != nil {
			return dst, err
		}
		return AppendLong(dst, v), nil
	case mesh.Bytes:
		return parseHex(dst, text)
	case mesh.List:
		return dst, bad("a list has no text form")
	}
	return parseString(dst, t, text)
}

// parseString reads the types that Avro keeps as a string.
func parseString(dst []byte, t mesh.Type, text string) ([]byte, error) {
	switch {
	case !utf8.ValidString(text):
		return dst, bad("the text is not UTF-8")
	case t.Kind == mesh.UUID:
		return parseUUID(dst, text)
	case t.Kind == mesh.JSON && !json.Valid([]byte(text)):
		return dst, bad("the text is not valid JSON")
	case t.Kind == mesh.Enum && !slices.Contains(t.Symbols, text):
		return dst, bad("an enum value is one of %s", strings.Join(t.Symbols, ", "))
	}
	return AppendString(dst, text), nil
}

func parseFloat(dst []byte, text string) ([]byte, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") { // Go's own notations
		return dst, bad("a float is a number of 64 bits, NaN, Infinity or -Infinity")
	}
	if math.IsNaN(v) {
		v = math.NaN() // one NaN, so that equal values have equal bytes
	}
	return AppendDouble(dst, v), nil
}

func parseHex(dst []byte, text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, `\x`)
	if !ok {
		return dst, bad(`bytes are \x and hex digits`)
	}
	out, err := hex.AppendDecode(AppendLong(dst, int64(len(digits)/2)), []byte(digits))
	if err != nil {
		return dst, bad(`bytes are \x and hex digits, two a byte`)
	}
	return out, nil
}

func parseUUID(dst []byte, text string) ([]byte, error) {
	const size = 36
	out := AppendLong(dst, size)
	digits := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch {
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f':
			if digits == 8 || digits == 12 || digits == 16 || digits == 20 {
				out = append(out, '-')
			}
			out = append(out, c)
			digits++
		case c == '-' && len(text) == size && (i == 8 || i == 13 || i == 18 || i == 23):
		default:
			return dst, bad("a uuid is 32 hex digits, in groups of 8-4-4-4-12")
		}
		if digits > 32 {
			break
		}
	}
	if digits != 32 {
		return dst, bad("a uuid is 32 hex digits, in groups of 8-4-4-4-12")
	}
	return out, nil
}

// maxExponent bounds the zeros that an exponent can ask for.
const maxExponent = 1000

// parseDecimal reads [+-]digits[.digits][e[+-]digits] without loss.
func parseDecimal(dst []byte, t mesh.Type, text string) ([]byte, error) {
	var few [48]byte
	negative, digits, exponent, ok := splitDecimal(few[:0], text)
	if !ok {
		return dst, bad("a decimal is digits with at most one point, such as -12.50")
	}
	// digits × 10^exponent is to be digits' × 10^-scale.
	for len(digits) > 0 && digits[len(digits)-1] == '0' && -exponent > t.Scale {
		digits, exponent = digits[:len(digits)-1], exponent+1
	}
	switch {
	case len(digits) == 0:
		return AppendDecimalInt64(dst, 0), nil
	case -exponent > t.Scale:
		return dst, bad("it needs scale %d but the type has %d", -exponent, t.Scale)
	case len(digits)+exponent+t.Scale > t.Precision:
		return dst, bad("it needs %d digits but the type has %d", len(digits)+exponent+t.Scale, t.Precision)
	}
	zeros := exponent + t.Scale
	if len(digits)+zeros > 18 {
		v, _ := new(big.Int).SetString(string(digits)+strings.Repeat("0", zeros), 10) // digits only
		if negative {
			v.Neg(v)
		}
		return AppendDecimal(dst, v), nil
	}
	var v int64
	for i := range len(digits) {
		v = v*10 + int64(digits[i]-'0')
	}
	for range zeros {
		v *= 10
	}
	if negative {
		v = -v
	}
	return AppendDecimalInt64(dst, v), nil
}

// splitDecimal appends the digits, without point and leading zeros, to dst and gives the power
// of ten of the last one.
func splitDecimal(dst []byte, text string) (negative bool, digits []byte, exponent int, ok bool) {
	if text != "" && (text[0] == '-' || text[0] == '+') {
		negative, text = text[0] == '-', text[1:]
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, err := strconv.Atoi(text[i+1:])
		if err != nil || e > maxExponent || e < -maxExponent {
			return false, dst, 0, false
		}
		text, exponent = text[:i], e
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if whole == "" && fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return false, dst, 0, false
	}
	digits = append(append(dst, whole...), fraction...)
	return negative, bytes.TrimLeft(digits, "0"), exponent - len(fraction), true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
