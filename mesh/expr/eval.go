package expr

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

var (
	errNullCondition = errors.New("the condition is null: say what null means, as in row.x == true")
	errNullLocale    = errors.New("the locale is null: leave such rows out with when, or use coalesce()")
)

// Eval evaluates the program over a row's values by column index. It gives nil, bool, int64,
// float64, string, []byte, time.Time or []any of these; for a Cond always a bool, for At nil or
// a time.Time, and for a LocalizedValue a map[string]any by locale. A plain column comes as it
// is in the row, save for At. An error is the row's: it never holds the row's values (I11).
func (p *Program) Eval(vals []any) (any, error) {
	if len(vals) < len(p.columns) {
		return nil, fmt.Errorf("a row has %d values for %d columns", len(vals), len(p.columns))
	}
	v, err := p.eval(vals)
	if err != nil {
		return nil, err
	}
	switch p.want {
	case Cond:
		b, ok := v.(bool)
		if !ok {
			return nil, errNullCondition
		}
		return b, nil
	case At:
		return p.instant(v)
	}
	return v, nil
}

// Bool evaluates a Cond.
func (p *Program) Bool(vals []any) (bool, error) {
	v, err := p.Eval(vals)
	b, _ := v.(bool)
	return b, err
}

func (p *Program) eval(vals []any) (any, error) {
	switch f := p.form; f.kind {
	case formColumn:
		return vals[f.column], nil
	case formEquals:
		s, ok := vals[f.column].(string)
		return (ok && s == f.text) != f.negated, nil
	case formPair:
		locale, ok := vals[f.key].(string)
		if !ok {
			return nil, errNullLocale
		}
		return map[string]any{locale: vals[f.column]}, nil
	}
	out, _, err := p.prg.Eval(activation{p, vals})
	if err != nil {
		return nil, withoutValues(err)
	}
	if m, ok := out.(traits.Mapper); ok && p.want == LocalizedValue {
		return localized(m)
	}
	return native(out)
}

// instant makes a time of what an At gives.
func (p *Program) instant(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case time.Time:
		return v, nil
	case string:
		return ParseTime(v)
	}
	return nil, fmt.Errorf("the expression gives %T where a time is needed", v)
}

// An activation gives CEL the variables of one evaluation.
type activation struct {
	p    *Program
	vals []any
}

// ResolveName implements cel.Activation.
func (a activation) ResolveName(name string) (any, bool) {
	switch name {
	case rowName:
		return a.vals, true
	case valueName:
		v, err := a.p.env.value(0, a.vals[0])
		if err != nil {
			return types.WrapErr(err), true
		}
		return v, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (a activation) Parent() cel.Activation { return nil }

// A columnError is an error of a column's value. It does not repeat the value.
type columnError struct {
	column string
	err    error
}

func (e *columnError) Error() string { return "column " + e.column + " " + e.err.Error() }

// value makes a CEL value of a column's value.
func (rt *rowTypes) value(i int, v any) (ref.Val, error) {
	out, err := rt.celValue(rt.columns[i].Type, v)
	if err != nil {
		return nil, &columnError{rt.columns[i].Name, err}
	}
	return out, nil
}

// withoutValues makes an error of CEL's that says what failed, but not for which values: CEL
// repeats what it could not convert or find (I11).
func withoutValues(err error) error {
	var column *columnError
	if errors.As(err, &column) {
		return column
	}
	for _, known := range []struct{ message, why string }{
		{"no such overload", "an operation met null or a value of another type"},
		{"division by zero", "division by zero"},
		{"modulus by zero", "division by zero"},
		{"overflow", "a result is out of bounds"},
		{"index out of", "an index is out of bounds"},
		{"no such key", "a map has no such key"},
		{"cost limit", "it costs too much: a macro runs over too long lists"},
		{"timestamp", "a text is no timestamp"},
		{"conversion", "a conversion failed"},
		{"strconv", "a text is no number"},
	} {
		if strings.Contains(err.Error(), known.message) {
			return errors.New("the expression failed: " + known.why)
		}
	}
	return errors.New("the expression failed for this row")
}

func (rt *rowTypes) celValue(t ColumnType, v any) (ref.Val, error) {
	if elem, ok := t.Elem(); ok {
		return rt.listValue(elem, v)
	}
	switch v := v.(type) {
	case nil:
		return types.NullValue, nil
	case bool:
		if t == Bool {
			return types.Bool(v), nil
		}
	case int64:
		if t == Int {
			return types.Int(v), nil
		}
	case float64:
		if t == Float {
			return types.Double(v), nil
		}
	case []byte:
		if t == Bytes {
			return types.Bytes(v), nil
		}
	case time.Time:
		if t == Time {
			return types.Timestamp{Time: v}, nil
		}
	case string:
		return textValue(t, v)
	}
	return nil, fmt.Errorf("holds a %T where its type is %s", v, t)
}

// textValue makes a CEL value of a column whose values are strings in the row.
func textValue(t ColumnType, s string) (ref.Val, error) {
	switch t {
	case Text:
		return types.String(s), nil
	case Numeric:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, errors.New("holds no number")
		}
		return types.Double(f), nil
	case Time:
		tm, err := ParseTime(s)
		return types.Timestamp{Time: tm}, err
	}
	return nil, fmt.Errorf("holds a string where its type is %s", t)
}

func (rt *rowTypes) listValue(elem ColumnType, v any) (ref.Val, error) {
	if v == nil {
		return types.NullValue, nil
	}
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("holds a %T where its type is list of %s", v, elem)
	}
	vals := make([]ref.Val, len(items))
	for i, item := range items {
		val, err := rt.celValue(elem, item)
		if err != nil {
			return nil, err
		}
		vals[i] = val
	}
	return types.NewRefValList(rt, vals), nil
}

// native makes a plain value of a CEL value.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if uint64(v) > math.MaxInt64 {
			return nil, errors.New("the expression gives a uint that no int holds")
		}
		return int64(v), nil
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Bytes:
		return []byte(v), nil
	case types.Timestamp:
		return v.Time, nil
	case traits.Lister:
		return nativeList(v)
	}
	return nil, fmt.Errorf("the expression gives a %s, which no field holds", v.Type().TypeName())
}

func nativeList(l traits.Lister) (any, error) {
	out := []any{}
	for it := l.Iterator(); it.HasNext() == types.True; {
		v, err := native(it.Next())
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// localized makes a map by locale of a CEL map.
func localized(m traits.Mapper) (any, error) {
	out := map[string]any{}
	for it := m.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		locale, ok := key.(types.String)
		if !ok {
			return nil, errNullLocale
		}
		v, err := native(m.Get(key))
		if err != nil {
			return nil, err
		}
		out[string(locale)] = v
	}
	return out, nil
}

// ParseTime reads an ISO 8601 time or date as envelopes hold them: with an offset, or without one
// for UTC; with T or a space; with up to nine digits of a second.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("holds no time that can be computed with (infinity, BC and years beyond 9999 cannot)")
}
