package mesh

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of a field's type.
type Kind uint8

// The kinds of field types.
const (
	String Kind = iota + 1
	Int
	Float
	Bool
	Decimal
	Timestamp
	Date
	UUID
	JSON
	Bytes
	Enum
	List
)

// kindNames are the kinds' names in the manifest, by Kind.
var kindNames = [...]string{"", "string", "int", "float", "bool", "decimal", "timestamp", "date", "uuid", "json", "bytes", "enum", "list"}

// String gives the kind's name in the manifest.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// MaxPrecision is the most digits that a decimal may have.
const MaxPrecision = 38

// A Type is a field's type: string, int, float, bool, decimal(p,s), timestamp, date, uuid, json,
// bytes, enum(a,b), list<T>.
type Type struct {
	Kind      Kind
	Precision int      // decimal: digits in all, 1 to 38
	Scale     int      // decimal: digits behind the point, 0 to Precision
	Symbols   []string // enum
	Elem      *Type    // list
}

// String gives the type as ParseType reads it.
func (t Type) String() string {
	switch t.Kind {
	case Decimal:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case Enum:
		return "enum(" + strings.Join(t.Symbols, ",") + ")"
	case List:
		if t.Elem != nil {
			return "list<" + t.Elem.String() + ">"
		}
	}
	return t.Kind.String()
}

// Equal says whether two types have the same values; the order of an enum's symbols is none.
func (t Type) Equal(o Type) bool {
	a, b := slices.Sorted(slices.Values(t.Symbols)), slices.Sorted(slices.Values(o.Symbols))
	if t.Kind != o.Kind || t.Precision != o.Precision || t.Scale != o.Scale || !slices.Equal(a, b) {
		return false
	}
	if t.Elem == nil || o.Elem == nil {
		return t.Elem == o.Elem
	}
	return t.Elem.Equal(*o.Elem)
}

// symbolPattern is what GraphQL takes as an enum's value, and Avro as a symbol.
var symbolPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ParseType reads a type. Its error says what would be right.
func ParseType(s string) (Type, error) {
	s = strings.TrimSpace(s)
	switch {
	case strings.HasPrefix(s, "decimal"):
		return parseDecimal(s)
	case strings.HasPrefix(s, "enum"):
		return parseEnum(s)
	case strings.HasPrefix(s, "list"):
		return parseList(s)
	}
	if i := slices.Index(kindNames[1:], s); i >= 0 {
		return Type{Kind: Kind(i + 1)}, nil
	}
	return Type{}, fmt.Errorf("unknown type %q: %s", s, oneOf(s, typeNames()))
}

// typeNames lists the types as a user would write them.
func typeNames() []string {
	return []string{"string", "int", "float", "bool", "decimal(12,2)", "timestamp", "date", "uuid", "json", "bytes", "enum(a,b)", "list<string>"}
}

// arguments gives what stands between open and the closing end of s, which begins with name.
func arguments(s, name, open, end string) ([]string, bool) {
	in, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(s, name)), open)
	if !ok {
		return nil, false
	}
	if in, ok = strings.CutSuffix(in, end); !ok || strings.TrimSpace(in) == "" {
		return nil, false
	}
	parts := strings.Split(in, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts, true
}

func parseDecimal(s string) (Type, error) {
	args, ok := arguments(s, "decimal", "(", ")")
	if !ok || len(args) > 2 {
		return Type{}, fmt.Errorf("%q lacks its digits: write decimal(12,2), digits in all and behind the point", s)
	}
	p, err := strconv.Atoi(args[0])
	scale, err2 := 0, error(nil)
	if len(args) == 2 {
		scale, err2 = strconv.Atoi(args[1])
	}
	if err != nil || err2 != nil || p < 1 || p > MaxPrecision || scale < 0 || scale > p {
		return Type{}, fmt.Errorf("%q is out of bounds: 1 to %d digits in all, 0 to as many behind the point", s, MaxPrecision)
	}
	return Type{Kind: Decimal, Precision: p, Scale: scale}, nil
}

func parseEnum(s string) (Type, error) {
	args, ok := arguments(s, "enum", "(", ")")
	if !ok {
		return Type{}, fmt.Errorf("%q lacks its values: write enum(open,paid,shipped)", s)
	}
	for i, a := range args {
		if !symbolPattern.MatchString(a) || strings.HasPrefix(a, "__") || a == "true" || a == "false" || a == "null" {
			return Type{}, fmt.Errorf("enum value %q is no name: letters, digits and _, not a digit first, and not true, false or null", a)
		}
		if slices.Contains(args[:i], a) {
			return Type{}, fmt.Errorf("enum value %q stands twice: name each value once", a)
		}
	}
	return Type{Kind: Enum, Symbols: args}, nil
}

func parseList(s string) (Type, error) {
	in, ok := strings.CutPrefix(s, "list<")
	if ok {
		in, ok = strings.CutSuffix(in, ">")
	}
	if !ok || strings.TrimSpace(in) == "" {
		return Type{}, fmt.Errorf("%q lacks the type of its elements: write list<string>", s)
	}
	if strings.HasPrefix(strings.TrimSpace(in), "list") {
		return Type{}, fmt.Errorf("%q is a list of lists: a list holds plain values; use json for deeper ones", s)
	}
	elem, err := ParseType(in)
	if err != nil {
		return Type{}, err
	}
	return Type{Kind: List, Elem: &elem}, nil
}
