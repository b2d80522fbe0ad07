package reference

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"tributary/mesh"
	"tributary/schemas"
)

// kept is how many losers a view's provenance names; the rest are counted.
const kept = 8

// Show writes views out in one order, so that equal views have equal text.
func Show(views map[string]View) string {
	var lines []string
	for id, v := range views {
		lines = append(lines, fmt.Sprintf("%s complete=%t", id, v.Complete))
		for slot, f := range v.Fields {
			for i := kept; i < len(f.Losers); i++ {
				f.Losers[i] = "more"
			}
			lines = append(lines, fmt.Sprintf("%s.%s = %s by %s inputs=%d conflict=%t losers=%v", id, slot, Text(f.Value), f.Winner, f.Inputs, f.Conflict, f.Losers))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// FromView makes the reference's kind of view of what the rules or a view topic say.
func FromView(e *mesh.Entity, v *schemas.View, complete bool) (View, error) {
	out := View{Complete: complete, Fields: map[string]Field{}}
	for i := range v.Meta.Fields {
		p := &v.Meta.Fields[i]
		at := slices.IndexFunc(e.Fields, func(f *mesh.Field) bool { return f.Name == p.Field })
		f := e.Fields[at]
		slot, value := f.Name, v.Values[at]
		if f.Localized {
			slot += "/" + p.Locale
			var err error
			if value, err = localeOf(f, value, p.Locale); err != nil {
				return out, err
			}
		}
		field := Field{Value: fromAvro(f.Type, value), Conflict: p.Conflict, Inputs: int(p.InputCount)}
		if p.Winner >= 0 {
			field.Winner = rowName(v, p.Winner)
		}
		for _, l := range p.Losers {
			field.Losers = append(field.Losers, rowName(v, l.Source)+"="+Text(fromAvro(f.Type, l.Value)))
		}
		for range int(p.LoserCount) - len(p.Losers) {
			field.Losers = append(field.Losers, "more")
		}
		out.Fields[slot] = field
	}
	return out, nil
}

func rowName(v *schemas.View, i int32) string {
	s := v.Meta.Sources[i]
	return s.Stream + "/" + s.Block + "/" + s.SourceKey
}

func localeOf(f *mesh.Field, value []byte, locale string) ([]byte, error) {
	if value == nil {
		return nil, nil
	}
	entries, err := schemas.AppendLocales(nil, f.Type, value)
	for _, e := range entries {
		if string(e.Locale) == locale {
			return e.Value, err
		}
	}
	return nil, err
}

func fromAvro(t mesh.Type, value []byte) any {
	r := schemas.NewReader(value)
	switch {
	case value == nil:
		return nil
	case t.Kind == mesh.Int:
		return r.Long()
	case t.Kind == mesh.Float:
		return r.Double()
	case t.Kind == mesh.Bool:
		return r.Bool()
	case t.Kind == mesh.Decimal:
		return new(big.Rat).SetFrac(schemas.DecimalBig(r.Bytes()), big.NewInt(100))
	}
	return r.String()
}
