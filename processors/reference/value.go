package reference

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"tributary/mesh"
)

// evaluate gives the value of an expression of the forms that Cases draws: row.x, row.x == 'c',
// row.x != 'c'. The empty expression is nil.
func evaluate(text string, row Row) any {
	column, constant, equals := strings.Cut(text, " == ")
	different := false
	if !equals {
		column, constant, different = strings.Cut(text, " != ")
	}
	value := row[strings.TrimPrefix(column, "row.")]
	if equals || different {
		return (value == strings.Trim(constant, "'")) == equals
	}
	return value
}

// pair splits {row.locale: row.text}.
func pair(text string) (locale, value string) {
	locale, value, _ = strings.Cut(strings.Trim(text, "{}"), ": ")
	return locale, value
}

// convert makes a field's value of a column's.
func convert(f *mesh.Field, v any) any {
	switch {
	case v == nil:
		return nil
	case f.Rule.Name == mesh.Count:
		return int64(1)
	}
	switch f.Type.Kind {
	case mesh.Decimal:
		return ratOf(v)
	case mesh.Float:
		switch v := v.(type) {
		case int64:
			return float64(v)
		case string:
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				panic(fmt.Sprintf("the generator drew %q for a float", v))
			}
			return x
		}
	case mesh.String:
		return plain(v)
	}
	return v
}

func idValue(e *mesh.Entity, id string) any {
	if e.Field(e.Key).Type.Kind != mesh.Int {
		return id
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("the generator drew %q for an int key", id))
	}
	return n
}

// plain is a column's value as a string field holds it.
func plain(v any) string { return fmt.Sprint(v) }

func ratOf(v any) *big.Rat {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v)
	case float64:
		return new(big.Rat).SetFloat64(v)
	case *big.Rat:
		return v
	}
	r, ok := new(big.Rat).SetString(v.(string))
	if !ok {
		panic(fmt.Sprintf("the generator drew %q for a decimal", v))
	}
	return r
}

// fits says whether a sum has no more digits than its decimal type.
func fits(r *big.Rat, t mesh.Type) bool {
	limit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.Precision-t.Scale)), nil))
	return new(big.Rat).Abs(r).Cmp(limit) < 0
}

// compare orders two values of one field, NaN behind all other numbers.
func compare(a, b any) int {
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case int64:
		return cmp.Compare(a, b.(int64))
	case *big.Rat:
		return a.Cmp(b.(*big.Rat))
	case bool:
		return cmp.Compare(Text(a), Text(b))
	}
	x, y := a.(float64), b.(float64)
	switch {
	case math.IsNaN(x) && math.IsNaN(y):
		return 0
	case math.IsNaN(x):
		return 1
	case math.IsNaN(y):
		return -1
	}
	return cmp.Compare(x, y)
}

// Text shows a value so that equal values have equal text: null, "text", 5, 0.25, NaN, 3/2, true.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(v)
	case *big.Rat:
		return v.RatString()
	case float64:
		if v == 0 {
			v = 0 // not -0
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}
