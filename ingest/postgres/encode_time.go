package postgres

import (
	"bytes"
	"strconv"

	"tributary/schemas"
)

// Postgres prints dates and times with DateStyle ISO as 2026-11-23 07:49:21.5+00, years beyond
// 9999 with more digits, years before 1 AD with " BC" behind all, and the words infinity and
// -infinity. ISO 8601 writes a T between date and time, Z for UTC, and expanded years with a
// sign, where 1 BC is year 0.

func encodeDate(dst, text []byte) ([]byte, error) { return encodeMoment(dst, text, "", false) }

func encodeTimestamp(dst, text []byte) ([]byte, error) { return encodeMoment(dst, text, "", true) }

func encodeTimestamptz(dst, text []byte) ([]byte, error) { return encodeMoment(dst, text, "+00", true) }

// encodeMoment writes a date or timestamp whose text ends in zone (before " BC").
func encodeMoment(dst, text []byte, zone string, clock bool) ([]byte, error) {
	if len(text) > 0 && (text[0] == 'i' || text[0] == '-') {
		return schemas.AppendBytes(dst, text), nil
	}
	rest, bc := bytes.CutSuffix(text, []byte(" BC"))
	rest, ok := bytes.CutSuffix(rest, []byte(zone))
	dash := bytes.IndexByte(rest, '-')
	if !ok || dash < 4 {
		return dst, errText
	}
	var scratch [24]byte
	year, err := isoYear(scratch[:0], rest[:dash], bc)
	if err != nil {
		return dst, err
	}
	rest = rest[dash:]
	const monthAndDay = len("-11-23")
	if len(rest) < monthAndDay || clock != (len(rest) > monthAndDay) {
		return dst, errText
	}
	size := len(year) + len(rest)
	if zone != "" {
		size++
	}
	dst = append(schemas.AppendLong(dst, int64(size)), year...)
	dst = append(dst, rest[:monthAndDay]...)
	if clock {
		dst = append(append(dst, 'T'), rest[monthAndDay+1:]...)
	}
	if zone != "" {
		dst = append(dst, 'Z')
	}
	return dst, nil
}

// isoYear appends a year as ISO 8601 has it: four digits, or a sign and at least four.
func isoYear(dst, digits []byte, bc bool) ([]byte, error) {
	if !bc && len(digits) == 4 {
		return append(dst, digits...), nil
	}
	year, err := strconv.Atoi(borrow(digits))
	if err != nil {
		return dst, errText
	}
	if !bc {
		return strconv.AppendInt(append(dst, '+'), int64(year), 10), nil
	}
	year--
	if year > 0 {
		dst = append(dst, '-')
	}
	for width := 1000; width > 1 && year < width; width /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(year), 10), nil
}
