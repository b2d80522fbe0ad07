package catalog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tributary/mesh"
	"tributary/sinks/views"
)

// Comparable says whether conditions other than isNull may be put on the field.
func (f *Field) Comparable() bool { return len(f.Operators()) > 1 }

// Sortable says whether lists may be sorted by the field.
func (f *Field) Sortable() bool {
	switch f.Type.Kind {
	case mesh.JSON, mesh.Bytes, mesh.List:
		return false
	}
	return true
}

// An Operator of a condition under its outside name.
type Operator struct {
	Name string
	Op   views.CondOp
}

// Operators lists the operators that the field can stand, in the order in which they are shown.
func (f *Field) Operators() []Operator {
	null := Operator{"isNull", views.IsNull}
	equal := []Operator{{"eq", views.Eq}, {"ne", views.Ne}}
	in := Operator{"in", views.In}
	ordered := append(slices.Clone(equal), Operator{"gt", views.Gt}, Operator{"gte", views.Gte}, Operator{"lt", views.Lt}, Operator{"lte", views.Lte})
	switch f.Type.Kind {
	case mesh.JSON, mesh.List:
		return []Operator{null}
	case mesh.Bool, mesh.Bytes:
		return append(equal, null)
	case mesh.Enum:
		return append(equal, in, null)
	case mesh.String:
		return append(ordered, in, Operator{"contains", views.Contains}, Operator{"startsWith", views.StartsWith}, null)
	}
	return append(ordered, in, null)
}

// OperatorNames lists the names of the field's operators for a message.
func (f *Field) OperatorNames() string {
	var b []string
	for _, o := range f.Operators() {
		b = append(b, o.Name)
	}
	return strings.Join(b, ", ")
}

// maxDigits bounds the text of a decimal.
const maxDigits = 80

var (
	decimalText = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)
	uuidText    = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
)

// Parse turns the text of a value into what a statement takes as its argument (views.CondOp):
// string, int64, float64 or bool. The error says what the type's text looks like.
func Parse(t mesh.Type, text string) (any, error) {
	switch t.Kind {
	case mesh.Int:
		v, err := strconv.ParseInt(text, 10, 64)
		return v, wrong(err == nil, text, "a whole number of 64 bits")
	case mesh.Float:
		v, err := strconv.ParseFloat(text, 64)
		return v, wrong(err == nil && !math.IsNaN(v), text, "a number")
	case mesh.Bool:
		return text == "true", wrong(text == "true" || text == "false", text, "true or false")
	case mesh.Decimal:
		return text, wrong(len(text) <= maxDigits && decimalText.MatchString(text), text, "a decimal number such as 12.50")
	case mesh.Timestamp:
		v, err := time.Parse(time.RFC3339Nano, text)
		return v.UTC().Format(time.RFC3339Nano), wrong(err == nil, text, "a time such as 2026-11-23T08:00:00Z")
	case mesh.Date:
		_, err := time.Parse(time.DateOnly, text)
		return text, wrong(err == nil, text, "a date such as 2026-11-23")
	case mesh.UUID:
		return strings.ToLower(text), wrong(uuidText.MatchString(text), text, "a UUID")
	case mesh.Enum:
		return text, wrong(slices.Contains(t.Symbols, text), text, "one of "+strings.Join(t.Symbols, ", "))
	case mesh.Bytes:
		_, err := base64.StdEncoding.DecodeString(text)
		return text, wrong(err == nil, text, "base64")
	case mesh.JSON:
		return text, wrong(json.Valid([]byte(text)), text, "JSON")
	}
	return text, nil
}

// shown bounds how much of a wrong value a message repeats.
const shown = 40

func wrong(ok bool, text, want string) error {
	if ok {
		return nil
	}
	if len(text) > shown {
		text = strings.ToValidUTF8(text[:shown], "") + "…"
	}
	return fmt.Errorf("%q is not %s", text, want)
}

// Operand turns the text of an operator's value into what a statement takes: a bool for isNull,
// the texts of a list, divided by commas, for in, else the value typed as the field.
func (f *Field) Operand(o Operator, text string) (any, error) {
	switch o.Op {
	case views.IsNull:
		return Parse(mesh.Type{Kind: mesh.Bool}, text)
	case views.In:
		parts := strings.Split(text, ",")
		if len(parts) > maxIn {
			return nil, fmt.Errorf("in has %d values: give at most %d", len(parts), maxIn)
		}
		for _, p := range parts {
			if _, err := Parse(f.Type, p); err != nil {
				return nil, err
			}
		}
		return parts, nil
	}
	return Parse(f.Type, text)
}

// maxIn bounds the values of in.
const maxIn = 1000
