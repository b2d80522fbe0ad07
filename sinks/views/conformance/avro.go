package conformance

import (
	"encoding/base64"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// A value is a field's value as tests write it: nil for null, string for string, uuid, enum,
// json, decimal, timestamp, date and bytes (base64), int64, float64, bool, []value for lists, and
// locales of a localized field.
type value any

type locales map[string]value

// encode gives the Avro value of a view row.
func encode(f *mesh.Field, v value) []byte {
	if v == nil {
		return nil
	}
	if l, ok := v.(locales); ok {
		return appendLocales(f.Type, l)
	}
	return appendAvro([]byte{}, f.Type, v)
}

func appendLocales(t mesh.Type, l locales) []byte {
	names := make([]string, 0, len(l))
	for name := range l {
		names = append(names, name)
	}
	slices.Sort(names)
	out := []byte{}
	if len(names) > 0 {
		out = schemas.AppendLong(out, int64(len(names)))
	}
	for _, name := range names {
		out = appendAvro(schemas.AppendString(out, name), t, l[name])
	}
	return schemas.AppendLong(out, 0)
}

func appendAvro(dst []byte, t mesh.Type, v value) []byte {
	switch t.Kind {
	case mesh.Int:
		return schemas.AppendLong(dst, v.(int64))
	case mesh.Float:
		return schemas.AppendDouble(dst, v.(float64))
	case mesh.Bool:
		return schemas.AppendBool(dst, v.(bool))
	case mesh.Decimal:
		return schemas.AppendBytes(dst, twosComplement(unscaled(v.(string), t.Scale)))
	case mesh.Timestamp, mesh.Date:
		out, err := schemas.ParseText(dst, t, v.(string))
		if err != nil {
			panic(err)
		}
		return out
	case mesh.Bytes:
		b, err := base64.StdEncoding.DecodeString(v.(string))
		if err != nil {
			panic(err)
		}
		return schemas.AppendBytes(dst, b)
	case mesh.List:
		list := v.([]value)
		if len(list) > 0 {
			dst = schemas.AppendLong(dst, int64(len(list)))
		}
		for _, elem := range list {
			dst = appendAvro(dst, *t.Elem, elem)
		}
		return schemas.AppendLong(dst, 0)
	}
	return schemas.AppendString(dst, v.(string))
}

func parseTime(layout, text string) time.Time {
	t, err := time.Parse(layout, text)
	if err != nil {
		panic(err)
	}
	return t
}

// unscaled gives the digits of a decimal with exactly scale of them behind the point.
func unscaled(text string, scale int) *big.Int {
	whole, frac, _ := strings.Cut(text, ".")
	v, ok := new(big.Int).SetString(whole+frac+strings.Repeat("0", scale-len(frac)), 10)
	if !ok {
		panic("not a decimal: " + text)
	}
	return v
}

func twosComplement(v *big.Int) []byte {
	if v.Sign() >= 0 {
		return append([]byte{0}, v.Bytes()...)
	}
	n := len(v.Bytes()) + 1
	return new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n))).FillBytes(make([]byte, n))
}

// text is the value as an element of a list argument.
func text(v value) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return v.(string)
}
