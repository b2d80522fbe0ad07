package normalize

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// native gives a column's value as expressions take it: see expr.ColumnType.
func native(typeAt func(branch int) *wireType, c Column) (any, error) {
	if c.Value == nil {
		return nil, nil
	}
	return typeAt(c.Branch).native(c.Value)
}

func (t *wireType) native(v []byte) (any, error) {
	r := schemas.NewReader(v)
	switch t.means {
	case meansText, meansTextNumber, meansTextTime:
		return r.String(), nil
	case meansBool:
		return r.Bool(), nil
	case meansInt:
		return r.Long(), nil
	case meansFloat:
		return t.float(v), nil
	case meansBytes:
		return t.raw(v), nil
	case meansDecimal, meansVariableDecimal, meansSymbol:
		text, err := appendValue(nil, mesh.Type{Kind: mesh.String}, t, v)
		body := schemas.NewReader(text)
		return body.String(), err
	case meansMillis, meansMicros, meansNanos:
		micros, err := t.micros(r.Long())
		if err != nil || micros >= schemas.TimestampInfinity || micros <= schemas.TimestampNegativeInfinity {
			return nil, errInfinite
		}
		return time.UnixMicro(micros).UTC(), nil
	case meansDays:
		days := r.Long()
		if days >= schemas.DateInfinity || days <= schemas.DateNegativeInfinity {
			return nil, errInfinite
		}
		return time.Unix(days*24*60*60, 0).UTC(), nil
	case meansList:
		return t.nativeList(v)
	}
	return nil, errNoValue
}

func (t *wireType) nativeList(v []byte) (any, error) {
	columns, err := t.items(v)
	if err != nil {
		return nil, err
	}
	items := make([]any, len(columns))
	for i, c := range columns {
		if c.Value == nil {
			continue
		}
		if items[i], err = t.item(c).native(c.Value); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// fieldNative gives a field's Avro value as validate takes it.
func fieldNative(t mesh.Type, v []byte) any {
	r := schemas.NewReader(v)
	switch t.Kind {
	case mesh.Int:
		return r.Long()
	case mesh.Float:
		return r.Double()
	case mesh.Bool:
		return r.Bool()
	case mesh.Decimal:
		text, err := schemas.DecimalText(r.Bytes(), t.Scale)
		if err != nil {
			return nil
		}
		return text
	case mesh.Timestamp:
		return time.UnixMicro(r.Long()).UTC()
	case mesh.Date:
		return time.Unix(r.Long()*24*60*60, 0).UTC()
	case mesh.Bytes:
		return r.Bytes()
	case mesh.List:
		return fieldNativeList(*t.Elem, v)
	}
	return r.String()
}

func fieldNativeList(elem mesh.Type, v []byte) any {
	list := wireType{elem: wireOf(elem)}
	columns, err := list.items(v)
	if err != nil {
		return nil
	}
	items := make([]any, len(columns))
	for i, c := range columns {
		items[i] = fieldNative(elem, c.Value)
	}
	return items
}

// wireOf is how a field's type, which is no list, is written.
func wireOf(t mesh.Type) *wireType {
	switch t.Kind {
	case mesh.Int, mesh.Timestamp, mesh.Date:
		return &wireType{kind: wireInt}
	case mesh.Float:
		return &wireType{kind: wireDouble}
	case mesh.Bool:
		return &wireType{kind: wireBool}
	}
	return &wireType{kind: wireBytes}
}

// maxShown bounds the value that a violation shows.
const maxShown = 64

// violation says why a term failed. It shows the value at fault of a plain reference, unless the
// column holds personal data. // I11
func (m *Mapper) violation(t *term, f *mesh.Field, err error, row []Column) *Violation {
	v := &Violation{Part: t.part, Reason: strings.TrimPrefix(err.Error(), schemas.ErrText.Error()+": ")}
	if f != nil {
		v.Field = f.Name
	}
	if t.column >= 0 {
		v.Column = m.reader.Columns[t.column].Name
	}
	if locale, _, pair := t.program.ColumnPair(); pair && err == errNullLocale {
		v.Column = m.reader.Columns[locale].Name
	}
	var plain plainReason
	if f == nil || errors.As(err, &plain) {
		return v
	}
	v.Reason = fmt.Sprintf("not a value of type %s: %s", f.Type, v.Reason)
	if shown, ok := m.show(t, row); ok {
		v.Reason = fmt.Sprintf("%q is %s", shown, v.Reason)
	}
	return v
}

// show gives the text of the value that a plain reference reads, cut where it is long.
func (m *Mapper) show(t *term, row []Column) (string, bool) {
	if t.column < 0 || t.secret || row[t.column].Value == nil {
		return "", false
	}
	v, err := native(m.reader.Columns[t.column].at, row[t.column])
	if err != nil {
		return "", false
	}
	text := []rune(fmt.Sprint(v))
	if len(text) > maxShown {
		text = append(text[:maxShown], '…')
	}
	return string(text), true
}
