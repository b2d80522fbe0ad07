package schemas

import (
	"math"
	"strings"
	"time"
)

const (
	timestampForm = "a timestamp is like 2026-01-02T03:04:05.123456Z"
	dateForm      = "a date is like 2026-01-02"
)

// parseDate gives days since 1970.
func parseDate(text string) (int64, error) {
	switch text {
	case "infinity":
		return DateInfinity, nil
	case "-infinity":
		return DateNegativeInfinity, nil
	}
	s := scan{rest: text}
	day := s.day(s.date())
	if s.bad || s.rest != "" {
		return 0, bad(dateForm)
	}
	days := floorDiv(day.Unix(), secondsADay)
	if days <= DateNegativeInfinity || days >= DateInfinity {
		return 0, bad("the date is beyond the range of its type")
	}
	return days, nil
}

// parseTimestamp gives microseconds since 1970 in UTC.
func parseTimestamp(text string) (int64, error) {
	switch text {
	case "infinity":
		return TimestampInfinity, nil
	case "-infinity":
		return TimestampNegativeInfinity, nil
	}
	s := scan{rest: text}
	date := s.date()
	if s.rest == "" || s.rest[0] != 'T' && s.rest[0] != 't' && s.rest[0] != ' ' {
		return 0, bad(timestampForm)
	}
	s.rest = s.rest[1:]
	clock := s.clock()
	micros, fine := s.fraction()
	offset := s.offset()
	day := s.day(date)
	switch {
	case s.bad || s.rest != "":
		return 0, bad(timestampForm)
	case !fine:
		return 0, bad("it has more than 6 digits behind the second, the type's precision")
	}
	seconds := day.Unix() + clock - offset
	if seconds > math.MaxInt64/1_000_000-1 || seconds < math.MinInt64/1_000_000+1 {
		return 0, bad("the timestamp is beyond the range of its type")
	}
	return seconds*1_000_000 + micros, nil
}

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

// A scan reads a time from left to right. Once bad, it stays so.
type scan struct {
	rest string
	bad  bool
}

// number reads between least and most digits, all that are there.
func (s *scan) number(least, most int) int {
	v, n := 0, 0
	for n < len(s.rest) && n < most && s.rest[n] >= '0' && s.rest[n] <= '9' {
		v = v*10 + int(s.rest[n]-'0')
		n++
	}
	if n < least {
		s.bad = true
	}
	s.rest = s.rest[n:]
	return v
}

// upTo reads two digits that are at most the bound.
func (s *scan) upTo(bound int) int {
	v := s.number(2, 2)
	if v > bound {
		s.bad = true
	}
	return v
}

// accept takes a character if it is there.
func (s *scan) accept(c byte) bool {
	if s.rest == "" || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scan) expect(c byte) {
	if !s.accept(c) {
		s.bad = true
	}
}

// A civil is a date as written, not yet known to exist.
type civil struct{ year, month, day int }

// date reads [+-]Y-MM-DD.
func (s *scan) date() (c civil) {
	negative := s.accept('-')
	if !negative {
		s.accept('+')
	}
	if c.year = s.number(4, 7); negative {
		c.year = -c.year
	}
	s.expect('-')
	c.month = s.upTo(12)
	s.expect('-')
	c.day = s.upTo(31)
	return c
}

// day gives the date's midnight in UTC. The rest may be Postgres' suffix for years before
// Christ: its 1 BC is the year 0.
func (s *scan) day(c civil) time.Time {
	const suffix = " BC"
	if strings.HasSuffix(s.rest, suffix) { // CutSuffix would make every text that is parsed escape
		s.bad = s.bad || c.year < 1
		s.rest, c.year = s.rest[:len(s.rest)-len(suffix)], 1-c.year
	}
	t := time.Date(c.year, time.Month(c.month), c.day, 0, 0, 0, 0, time.UTC)
	if y, m, d := t.Date(); y != c.year || int(m) != c.month || d != c.day {
		s.bad = true // no such day
	}
	return t
}

// clock reads HH:MM:SS as seconds.
func (s *scan) clock() int64 {
	h := s.upTo(23)
	s.expect(':')
	m := s.upTo(59)
	s.expect(':')
	return int64(h*3600 + m*60 + s.upTo(59))
}

// fraction reads .digits as microseconds; fine is false if digits behind the sixth are not 0.
func (s *scan) fraction() (micros int64, fine bool) {
	if !s.accept('.') {
		return 0, true
	}
	digits, more := 0, 0
	for ; s.rest != "" && s.rest[0] >= '0' && s.rest[0] <= '9'; digits++ {
		v := s.number(1, 1)
		if digits < 6 {
			micros = micros*10 + int64(v)
		} else {
			more |= v
		}
	}
	if digits == 0 {
		s.bad = true
	}
	for ; digits < 6; digits++ {
		micros *= 10
	}
	return micros, more == 0
}

// offset reads Z, ±HH, ±HHMM, ±HH:MM or ±HH:MM:SS as seconds east; nothing means UTC.
func (s *scan) offset() int64 {
	if s.accept('Z') || s.accept('z') {
		return 0
	}
	sign := int64(1)
	if s.accept('-') {
		sign = -1
	} else if !s.accept('+') {
		return 0
	}
	seconds := int64(s.upTo(23)) * 3600
	for _, unit := range []int64{60, 1} {
		if !s.accept(':') && (s.rest == "" || s.rest[0] < '0' || s.rest[0] > '9') {
			break
		}
		seconds += unit * int64(s.upTo(59))
	}
	return sign * seconds
}
