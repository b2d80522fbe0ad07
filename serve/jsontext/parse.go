package jsontext

import (
	"encoding/json"
	"errors"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax is returned for text that is not JSON (RFC 8259), or nested more than MaxDepth deep.
var ErrSyntax = errors.New("not JSON")

// MaxDepth bounds how deep arrays and objects may nest.
const MaxDepth = 100

// A Parser reads JSON from the front. Its first error sticks: methods then give zero values,
// and the caller looks at Err once at the end.
type Parser struct {
	rest  []byte
	depth int
	err   error
}

// NewParser reads a text; what it gives out has memory of its own.
func NewParser(text []byte) *Parser { return &Parser{rest: text} }

// End checks that nothing but white space follows, and gives the first error.
func (p *Parser) End() error {
	if p.peek(); p.err == nil && len(p.rest) > 0 {
		p.fail()
	}
	return p.err
}

func (p *Parser) fail() {
	p.rest = nil
	if p.err == nil {
		p.err = ErrSyntax
	}
}

// peek skips white space and gives the next byte, 0 at the end.
func (p *Parser) peek() byte {
	for i, c := range p.rest {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			p.rest = p.rest[i:]
			return c
		}
	}
	p.rest = nil
	return 0
}

func (p *Parser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *Parser) expect(c byte) {
	if !p.take(c) {
		p.fail()
	}
}

// Null takes null, if that is next.
func (p *Parser) Null() bool { return p.peek() == 'n' && p.literal("null") }

// Object reads an object; member is called for each name and must read its value. ok is false,
// and nothing read, where something else is next.
func (p *Parser) Object(member func(name string)) (ok bool) {
	return p.each('{', '}', func() {
		name := p.String()
		p.expect(':')
		if p.err == nil {
			member(name)
		}
	})
}

func (p *Parser) each(open, closing byte, item func()) (ok bool) {
	if !p.take(open) {
		return false
	}
	if p.depth++; p.depth > MaxDepth {
		p.fail()
	}
	for first := true; p.err == nil && !p.take(closing); first = false {
		if !first {
			p.expect(',')
		}
		item()
	}
	p.depth--
	return true
}

// Value reads any value: nil, bool, json.Number, string, []any or map[string]any. Of names that
// come twice in an object, the last counts.
func (p *Parser) Value() any {
	switch c := p.peek(); c {
	case '{':
		object := map[string]any{}
		p.Object(func(name string) { object[name] = p.Value() })
		return object
	case '[':
		list := []any{}
		p.each('[', ']', func() { list = append(list, p.Value()) })
		return list
	case '"':
		return p.String()
	case 't':
		return p.literal("true")
	case 'f':
		return !p.literal("false")
	case 'n':
		p.literal("null")
		return nil
	}
	return p.number()
}

func (p *Parser) literal(text string) bool {
	if len(p.rest) < len(text) || string(p.rest[:len(text)]) != text {
		p.fail()
		return false
	}
	p.rest = p.rest[len(text):]
	return true
}

func (p *Parser) number() any {
	b, i := p.rest, 0
	digits := func() int {
		start := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i - start
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	leading := i
	ok := digits() > 0 && (b[leading] != '0' || i == leading+1)
	if i < len(b) && b[i] == '.' {
		i++
		ok = digits() > 0 && ok
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits() > 0 && ok
	}
	if !ok {
		p.fail()
		return nil
	}
	n := json.Number(b[:i])
	p.rest = b[i:]
	return n
}

// String reads a string; text that is no UTF-8 becomes U+FFFD.
func (p *Parser) String() string {
	if !p.take('"') {
		p.fail()
		return ""
	}
	for i, c := range p.rest {
		switch {
		case c == '"':
			s := string(p.rest[:i])
			p.rest = p.rest[i+1:]
			return s
		case c == '\\' || c >= utf8.RuneSelf:
			return p.escaped(i)
		case c < ' ':
			p.fail()
			return ""
		}
	}
	p.fail()
	return ""
}

// escaped reads on from the first byte of a string that does not stand for itself.
func (p *Parser) escaped(plain int) string {
	out := append(make([]byte, 0, 2*plain+64), p.rest[:plain]...)
	p.rest = p.rest[plain:]
	for len(p.rest) > 0 {
		switch c := p.rest[0]; {
		case c == '"':
			p.rest = p.rest[1:]
			return string(out)
		case c == '\\':
			out = utf8.AppendRune(out, p.escape())
		case c < ' ':
			p.fail()
		case c < utf8.RuneSelf:
			out = append(out, c)
			p.rest = p.rest[1:]
		default:
			r, size := utf8.DecodeRune(p.rest)
			out = utf8.AppendRune(out, r)
			p.rest = p.rest[size:]
		}
	}
	p.fail()
	return ""
}

// escape reads what begins with a backslash.
func (p *Parser) escape() rune {
	if len(p.rest) < 2 {
		p.fail()
		return 0
	}
	c := p.rest[1]
	p.rest = p.rest[2:]
	switch c {
	case '"', '\\', '/':
		return rune(c)
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		return p.codeUnits()
	}
	p.fail()
	return 0
}

// codeUnits reads the digits behind \u, and a second half of a pair where there is one.
func (p *Parser) codeUnits() rune {
	r := hex4(p.rest)
	if r < 0 {
		p.fail()
		return 0
	}
	p.rest = p.rest[4:]
	if !utf16.IsSurrogate(r) {
		return r
	}
	if len(p.rest) >= 6 && p.rest[0] == '\\' && p.rest[1] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(p.rest[2:])); pair != utf8.RuneError {
			p.rest = p.rest[6:]
			return pair
		}
	}
	return utf8.RuneError
}

func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
