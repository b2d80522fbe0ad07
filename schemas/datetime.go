package schemas

import (
	"errors"
	"math"
	"time"
)

// What Debezium writes for Postgres' infinite timestamps, in microseconds since 1970. Source:
// io.debezium.connector.postgresql, PGStatement.DATE_POSITIVE_INFINITY and its negative.
const (
	TimestampInfinity         = 9223372036825200000
	TimestampNegativeInfinity = -9223372036832400000
)

// Infinite dates, in days since 1970: the ends of the Avro type, as in Postgres.
const (
	DateInfinity         = math.MaxInt32
	DateNegativeInfinity = math.MinInt32
)

const secondsADay = 24 * 60 * 60

var errDays = errors.New("date is beyond the range of its type")

// appendTimestamp appends microseconds since 1970 as RFC 3339 in UTC; a fraction only where
// there is one, without trailing zeros.
func appendTimestamp(dst []byte, micros int64) []byte {
	switch micros {
	case TimestampInfinity:
		return append(dst, "infinity"...)
	case TimestampNegativeInfinity:
		return append(dst, "-infinity"...)
	}
	t := time.UnixMicro(micros).UTC()
	dst = append(appendYearMonthDay(dst, t), 'T')
	h, m, s := t.Clock()
	dst = appendTwo(append(appendTwo(append(appendTwo(dst, h), ':'), m), ':'), s)
	if fraction := t.Nanosecond() / 1000; fraction > 0 {
		dst = append(dst, '.')
		for unit := 100_000; fraction > 0; unit /= 10 {
			dst = append(dst, byte('0'+fraction/unit))
			fraction %= unit
		}
	}
	return append(dst, 'Z')
}

// appendDate appends days since 1970 as YYYY-MM-DD.
func appendDate(dst []byte, days int64) []byte {
	switch days {
	case DateInfinity:
		return append(dst, "infinity"...)
	case DateNegativeInfinity:
		return append(dst, "-infinity"...)
	}
	return appendYearMonthDay(dst, time.Unix(days*secondsADay, 0).UTC())
}

// appendYearMonthDay writes years outside 0000 to 9999 in ISO 8601's expanded form, with a sign
// and at least six digits as ECMAScript reads them. Year 0000 is 1 BC, -000001 is 2 BC.
func appendYearMonthDay(dst []byte, t time.Time) []byte {
	year, month, day := t.Date()
	width := 4
	if year < 0 || year > 9999 {
		width = 6
		if year < 0 {
			dst, year = append(dst, '-'), -year
		} else {
			dst = append(dst, '+')
		}
	}
	unit := 1
	for i := 1; i < width || year/unit >= 10; i++ {
		unit *= 10
	}
	for ; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+year/unit%10))
	}
	return appendTwo(append(appendTwo(append(dst, '-'), int(month)), '-'), day)
}

func appendTwo(dst []byte, v int) []byte { return append(dst, byte('0'+v/10), byte('0'+v%10)) }
