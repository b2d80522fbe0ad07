package conformance

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"math"
	"slices"
	"strings"
	"time"

	"tributary/mesh"
	"tributary/sinks/views"
)

// The model answers queries over rows in memory, as query.go's comments say: plainly, with no
// thought of speed.

// A record is a row of the model.
type record map[string]value

// at gives a field's value, of a localized one in a locale.
func (r record) at(f *mesh.Field, locale string) value {
	v := r[f.Name]
	if l, ok := v.(locales); ok {
		return l[locale]
	}
	return v
}

// compare orders two values of a type, neither null.
func compare(t mesh.Type, a, b value) int {
	switch t.Kind {
	case mesh.Int:
		return cmp.Compare(a.(int64), b.(int64))
	case mesh.Float:
		x, y := a.(float64), b.(float64)
		if math.IsNaN(x) || math.IsNaN(y) { // cmp has NaN least, a view store greatest
			return cmp.Compare(toInt(math.IsNaN(x)), toInt(math.IsNaN(y)))
		}
		return cmp.Compare(x, y)
	case mesh.Bool:
		return cmp.Compare(toInt(a.(bool)), toInt(b.(bool)))
	case mesh.Decimal:
		const finest = 60
		return unscaled(a.(string), finest).Cmp(unscaled(b.(string), finest))
	case mesh.Timestamp:
		return parseTime(time.RFC3339Nano, a.(string)).Compare(parseTime(time.RFC3339Nano, b.(string)))
	case mesh.Bytes:
		x, _ := base64.StdEncoding.DecodeString(a.(string))
		y, _ := base64.StdEncoding.DecodeString(b.(string))
		return bytes.Compare(x, y)
	}
	return strings.Compare(a.(string), b.(string))
}

func toInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// A test is a condition of the model with its arguments in place.
type test struct {
	op     views.CondOp
	tests  []*test
	field  *mesh.Field
	locale string
	arg    value
}

func (w *test) holds(r record) bool {
	switch w.op {
	case views.And:
		return w.all(r)
	case views.Or:
		return slices.ContainsFunc(w.tests, func(w *test) bool { return w.holds(r) })
	case views.Not:
		return !w.all(r)
	}
	v := r.at(w.field, w.locale)
	switch w.op {
	case views.IsNull:
		return w.arg != nil && (v == nil) == w.arg.(bool)
	case views.Eq:
		return v == nil && w.arg == nil || v != nil && w.arg != nil && compare(w.field.Type, v, w.arg) == 0
	case views.Ne:
		return w.arg != nil && (v == nil || compare(w.field.Type, v, w.arg) != 0)
	case views.In:
		list, _ := w.arg.([]value)
		return v != nil && slices.ContainsFunc(list, func(a value) bool { return compare(w.field.Type, v, a) == 0 })
	}
	return v != nil && w.arg != nil && w.compares(v)
}

func (w *test) all(r record) bool {
	return !slices.ContainsFunc(w.tests, func(w *test) bool { return !w.holds(r) })
}

func (w *test) compares(v value) bool {
	switch w.op {
	case views.Contains:
		return strings.Contains(v.(string), w.arg.(string))
	case views.StartsWith:
		return strings.HasPrefix(v.(string), w.arg.(string))
	}
	c := compare(w.field.Type, v, w.arg)
	switch w.op {
	case views.Gt:
		return c > 0
	case views.Gte:
		return c >= 0
	case views.Lt:
		return c < 0
	}
	return c <= 0
}

// cond turns the test into a query's condition, adding its arguments to args.
func (w *test) cond(args *[]any) *views.Cond {
	c := &views.Cond{Op: w.op, Field: w.field}
	for _, inner := range w.tests {
		c.Conds = append(c.Conds, inner.cond(args))
	}
	if w.field == nil {
		return c
	}
	if w.field.Localized {
		c.Locale = add(args, w.locale)
	}
	switch list, ok := w.arg.([]value); {
	case ok:
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = text(v)
		}
		c.Arg = add(args, texts)
	default:
		c.Arg = add(args, w.arg)
	}
	return c
}

func add(args *[]any, v any) views.Arg {
	*args = append(*args, v)
	return views.Arg(len(*args))
}

// An ordering is a query's order of the model.
type ordering struct {
	field  *mesh.Field
	locale string
	desc   bool
}

// sorted gives the records that pass the test, in order: nulls last, ties by the key.
func sorted(e *mesh.Entity, records []record, where *test, order []ordering) []record {
	var out []record
	for _, r := range records {
		if where == nil || where.holds(r) {
			out = append(out, r)
		}
	}
	key := e.Field(e.Key)
	slices.SortFunc(out, func(a, b record) int {
		for _, o := range order {
			if c := o.compare(a.at(o.field, o.locale), b.at(o.field, o.locale)); c != 0 {
				return c
			}
		}
		return compare(key.Type, a[e.Key], b[e.Key])
	})
	return out
}

func (o ordering) compare(a, b value) int {
	if a == nil || b == nil {
		return cmp.Compare(toInt(a == nil), toInt(b == nil))
	}
	c := compare(o.field.Type, a, b)
	if o.desc {
		return -c
	}
	return c
}
