package postgres

import (
	"errors"
	"strconv"
	"unsafe"

	"tributary/schemas"
)

// encode appends the Avro form of a value that Postgres printed as text. It never keeps text.
type encode func(dst, text []byte) ([]byte, error)

// errText says that a value is not printed the way the pinned session settings have it. It does
// not hold the value (I11).
var errText = errors.New("the server printed a value in a form that its type does not have")

// scalarEncoder gives the encoder of a type that is no array; any type that is not known here
// goes through as its exact text.
func scalarEncoder(oid uint32) encode {
	switch oid {
	case oidBool:
		return encodeBool
	case oidInt2, oidInt4, oidInt8, oidOid:
		return encodeInt
	case oidFloat4:
		return encodeFloat
	case oidFloat8:
		return encodeDouble
	case oidBytea:
		return encodeBytea
	case oidDate:
		return encodeDate
	case oidTimestamp:
		return encodeTimestamp
	case oidTimestamptz:
		return encodeTimestamptz
	}
	return encodeText
}

func encodeText(dst, text []byte) ([]byte, error) { return schemas.AppendBytes(dst, text), nil }

func encodeBool(dst, text []byte) ([]byte, error) {
	if len(text) != 1 || text[0] != 't' && text[0] != 'f' {
		return dst, errText
	}
	return schemas.AppendBool(dst, text[0] == 't'), nil
}

// encodeInt takes every width: the schema has the narrower type, the bytes are the same.
func encodeInt(dst, text []byte) ([]byte, error) {
	digits := text
	if len(text) > 0 && text[0] == '-' {
		digits = text[1:]
	}
	if len(digits) == 0 || len(digits) > 19 {
		return dst, errText
	}
	var n int64 // negative, so that the least int64 fits
	for _, d := range digits {
		if d < '0' || d > '9' {
			return dst, errText
		}
		n = n*10 - int64(d-'0')
		if n > 0 {
			return dst, errText
		}
	}
	if len(digits) == len(text) {
		n = -n
	}
	return schemas.AppendLong(dst, n), nil
}

func encodeFloat(dst, text []byte) ([]byte, error) {
	f, err := strconv.ParseFloat(borrow(text), 32)
	if err != nil {
		return dst, errText
	}
	return schemas.AppendFloat(dst, float32(f)), nil
}

func encodeDouble(dst, text []byte) ([]byte, error) {
	f, err := strconv.ParseFloat(borrow(text), 64)
	if err != nil {
		return dst, errText
	}
	return schemas.AppendDouble(dst, f), nil
}

// borrow views text as a string for a call that does not keep it.
func borrow(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

// encodeBytea reads bytea_output hex: \x and two digits a byte.
func encodeBytea(dst, text []byte) ([]byte, error) {
	if len(text) < 2 || text[0] != '\\' || text[1] != 'x' || len(text)%2 != 0 {
		return dst, errText
	}
	digits := text[2:]
	dst = schemas.AppendLong(dst, int64(len(digits)/2))
	for i := 0; i < len(digits); i += 2 {
		high, low := hexDigit(digits[i]), hexDigit(digits[i+1])
		if high|low > 15 {
			return dst, errText
		}
		dst = append(dst, high<<4|low)
	}
	return dst, nil
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
