package rowmeta

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tributary/serve/freshness"
	"tributary/sinks/views"
)

// ErrMark is returned when a store wrote a row's mark otherwise than views.Item.Meta says.
var ErrMark = errors.New("the view store wrote a mark of _meta that cannot be read")

// NewMark makes a name that no row can contain by chance; one a process is enough.
func NewMark() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return "_" + hex.EncodeToString(b[:])
}

// A mark is what a store wrote in place of a row's _meta.
type mark struct {
	spec      int
	partition int32
	version   views.Version
	held      []freshness.Held
	blob      []byte // hex of views.Row.Meta; empty unless asked
}

// parseMark reads the array of a mark, which begins behind "[", and gives what follows the
// closing brace of the mark's object.
func parseMark(b []byte) (m mark, rest []byte, err error) {
	s := scanner{rest: b}
	m.spec = int(s.integer())
	s.comma()
	s.text()
	s.comma()
	m.partition = int32(s.integer())
	s.comma()
	m.version.Partition = m.partition
	m.version.Generation = uint32(s.integer())
	s.comma()
	m.version.Offset = s.integer()
	s.comma()
	m.version.N = uint32(s.integer())
	s.comma()
	held := s.value()
	s.comma()
	m.blob = s.text()
	s.token(']')
	s.token('}')
	if s.bad {
		return m, nil, ErrMark
	}
	m.held, err = parseHeld(held)
	return m, s.rest, err
}

// parseHeld reads views.Row.Held: the times are RFC 3339 texts, or µs since 1970.
func parseHeld(b []byte) ([]freshness.Held, error) {
	if len(b) == 0 || string(b) == "null" {
		return nil, nil
	}
	var rows []struct {
		Stream string          `json:"stream"`
		Time   json.RawMessage `json:"time"`
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("%w: held rows: %w", ErrMark, err)
	}
	out := make([]freshness.Held, len(rows))
	for i, r := range rows {
		out[i].Stream = r.Stream
		if micros, err := strconv.ParseInt(string(r.Time), 10, 64); err == nil {
			out[i].Time = time.UnixMicro(micros)
		} else if err := json.Unmarshal(r.Time, &out[i].Time); err != nil {
			return nil, fmt.Errorf("%w: held rows: %w", ErrMark, err)
		}
	}
	return out, nil
}

// A scanner reads the few tokens of a mark.
type scanner struct {
	rest []byte
	bad  bool
}

func (s *scanner) skipSpace() { s.rest = bytes.TrimLeft(s.rest, " \t\r\n") }

func (s *scanner) token(c byte) {
	s.skipSpace()
	if len(s.rest) == 0 || s.rest[0] != c {
		s.bad = true
		return
	}
	s.rest = s.rest[1:]
}

func (s *scanner) comma() { s.token(',') }

func (s *scanner) integer() int64 {
	s.skipSpace()
	n := 0
	for n < len(s.rest) && (s.rest[n] == '-' || s.rest[n] >= '0' && s.rest[n] <= '9') {
		n++
	}
	v, err := strconv.ParseInt(string(s.rest[:n]), 10, 64)
	s.bad = s.bad || err != nil
	s.rest = s.rest[n:]
	return v
}

// text gives the inside of a JSON string as it stands.
func (s *scanner) text() []byte {
	s.token('"')
	for i := 0; i < len(s.rest) && !s.bad; i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			inside := s.rest[:i]
			s.rest = s.rest[i+1:]
			return inside
		}
	}
	s.bad = true
	return nil
}

// value gives a JSON value: null, or an array or object up to its end.
func (s *scanner) value() []byte {
	s.skipSpace()
	start, depth := s.rest, 0
	for !s.bad && len(s.rest) > 0 {
		switch c := s.rest[0]; {
		case c == '"':
			s.text()
			continue
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		}
		if depth < 0 || depth == 0 && s.rest[0] == ',' {
			break
		}
		s.rest = s.rest[1:]
		if depth == 0 && len(s.rest) > 0 && (s.rest[0] == ',' || s.rest[0] == ']' || s.rest[0] == ' ') {
			break
		}
	}
	return start[:len(start)-len(s.rest)]
}
