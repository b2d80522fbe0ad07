package mesh

import (
	"fmt"
	"slices"

	"tributary/mesh/expr"
)

// ValueType is the type that a field's values have in expressions.
func ValueType(t Type) expr.ColumnType {
	switch t.Kind {
	case Int:
		return expr.Int
	case Float:
		return expr.Float
	case Bool:
		return expr.Bool
	case Decimal:
		return expr.Numeric
	case Timestamp, Date:
		return expr.Time
	case Bytes:
		return expr.Bytes
	case List:
		return expr.ListOf(ValueType(*t.Elem))
	}
	return expr.Text
}

// CheckColumns type-checks every expression of the entity over rows, now that the columns of its
// streams are known. It passes over streams that columns does not know. What is wrong comes as
// Faults, all at once.
func (e *Entity) CheckColumns(columns func(*Stream) ([]expr.Column, bool)) error {
	var faults Faults
	for _, b := range e.Contributions {
		if cols, ok := columns(b.From); ok {
			faults = append(faults, e.checkBlock(b, cols)...)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return comparePos(a.Pos, b.Pos) })
	return faults
}

// checkBlock type-checks the expressions of one block.
func (e *Entity) checkBlock(b *Block, cols []expr.Column) (faults Faults) {
	check := func(src string, pos Pos, want expr.Want) *expr.Program {
		if src == "" {
			return nil
		}
		p, err := expr.Compile(src, cols, want)
		if err != nil {
			faults = append(faults, exprFaults(pos, err)...)
			return nil
		}
		return p
	}
	check(b.Key, b.KeyPos, expr.Key)
	check(b.When, b.WhenPos, expr.Cond)
	check(b.At, b.AtPos, expr.At)
	for _, a := range b.Set {
		f := e.Field(a.Field)
		if f == nil {
			continue // an entity that was not loaded by Parse
		}
		want := expr.Value
		if f.Localized {
			want = expr.LocalizedValue
		}
		counts := f.Rule.Name == Count // values of any type
		if p := check(a.Expr, a.Pos, want); p != nil && !counts && !converts(p.Result(), f.Type) {
			faults = append(faults, Fault{Pos: a.Pos, What: fmt.Sprintf("%s is %s and cannot take %s", f.Name, f.Type, p.Result()),
				Suggestion: "change the field's type or the expression"})
		}
	}
	return faults
}

// converts says whether values of a column's type may become values of a field's type. Text may
// become anything but a list: whether it does, each row shows.
func converts(from expr.ColumnType, to Type) bool {
	if elem, isList := from.Elem(); isList {
		return to.Kind == JSON || to.Kind == List && converts(elem, *to.Elem)
	}
	switch from {
	case 0, expr.Text:
		return to.Kind != List || from == 0
	case expr.Bool:
		return slices.Contains([]Kind{Bool, String, JSON}, to.Kind)
	case expr.Int, expr.Float, expr.Numeric:
		return slices.Contains([]Kind{Int, Float, Decimal, String, JSON}, to.Kind)
	case expr.Time:
		return slices.Contains([]Kind{Timestamp, Date, String, JSON}, to.Kind)
	case expr.Bytes:
		return to.Kind == Bytes
	}
	return false
}
