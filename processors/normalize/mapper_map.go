package normalize

import (
	"errors"
	"slices"
	"strconv"

	"tributary/mesh"
	"tributary/mesh/expr"
	"tributary/schemas"
)

// A plainReason speaks of no value: a violation gives it as it is.
type plainReason string

func (p plainReason) Error() string { return string(p) }

const (
	errNullKey    plainReason = "the key is null"
	errEmptyKey   plainReason = "the key is empty"
	errNullCond   plainReason = "the condition is null: say what null means, as in row.x == true"
	errNullLocale plainReason = "the locale is null or empty: leave such rows out with when"
	errNoLocales  plainReason = "it gives no map of locale to value"
)

var errNotValid = errors.New("its validation does not hold")

// Map maps the row that env holds after the change. Its error is a *Violation.
func (m *Mapper) Map(env *Envelope, out *Mapped) error {
	out.reset(len(m.codec.Entity.Fields))
	out.SourceTime = env.CommitTime
	live, err := m.live(env.After)
	if err != nil {
		return m.violation(m.when, nil, err, env.After)
	}
	out.Live = live
	err = m.mapKey(env.After, out)
	if !live {
		return nil // a row that contributes nothing may lack an id
	}
	if err != nil {
		return m.violation(&m.key, m.codec.Entity.Fields[m.codec.KeyIndex], err, env.After)
	}
	if out.SourceTime, err = m.sourceTime(env, out); err != nil {
		return m.violation(m.at, nil, err, env.After)
	}
	for i := range m.sets {
		s := &m.sets[i]
		if out.Values[s.index], err = m.value(s, env.After, out); err == nil {
			err = m.validate(s, out.Values[s.index])
		}
		if err != nil {
			return m.violation(&s.term, s.field, err, env.After)
		}
	}
	return nil
}

func (o *Mapped) reset(fields int) {
	o.ID, o.arena, o.SourceTime, o.Values = nil, o.arena[:0], 0, o.Values[:0]
	for range fields {
		o.Values = append(o.Values, nil)
	}
}

// take keeps what was appended to the arena behind start as a value.
func (o *Mapped) take(arena []byte, start int) []byte {
	o.arena = arena
	return arena[start:len(arena):len(arena)]
}

func (m *Mapper) live(row []Column) (bool, error) {
	if m.when == nil {
		return true, nil
	}
	if column, text, negated, ok := m.when.program.EqualsConst(); ok {
		v := row[column].Value
		r := schemas.NewReader(v)
		return (v != nil && string(r.Bytes()) == text) != negated, nil
	}
	if c := m.when.column; c >= 0 {
		if row[c].Value == nil {
			return false, errNullCond
		}
		return row[c].Value[0] != 0, nil
	}
	if err := m.fill(m.when.program, row); err != nil {
		return false, err
	}
	return m.when.program.Bool(m.row)
}

// mapKey sets the id and the key field's value.
func (m *Mapper) mapKey(row []Column, out *Mapped) error {
	start := len(out.arena)
	t := m.codec.Entity.Fields[m.codec.KeyIndex].Type
	arena, null, err := m.eval(&m.key, t, row, out.arena)
	switch {
	case err != nil:
		return err
	case null:
		return errNullKey
	}
	value := out.take(arena, start)
	id, arena := canonicalID(t, value, out.arena)
	if out.arena = arena; len(id) == 0 {
		return errEmptyKey
	}
	out.ID, out.Values[m.codec.KeyIndex] = id, value
	return nil
}

// canonicalID gives the text of a key's value: a string as it is, a uuid in lower case, an int
// in decimal.
func canonicalID(t mesh.Type, value, arena []byte) (id, grown []byte) {
	r := schemas.NewReader(value)
	if t.Kind != mesh.Int {
		return r.Bytes(), arena
	}
	start := len(arena)
	arena = strconv.AppendInt(arena, r.Long(), 10)
	return arena[start:len(arena):len(arena)], arena
}

// sourceTime is the block's `at`; the commit time where there is none or where it is null.
func (m *Mapper) sourceTime(env *Envelope, out *Mapped) (int64, error) {
	if m.at == nil {
		return env.CommitTime, nil
	}
	v, null, err := m.eval(m.at, mesh.Type{Kind: mesh.Timestamp}, env.After, out.arena)
	if err != nil || null {
		return env.CommitTime, err
	}
	r := schemas.NewReader(v[len(out.arena):])
	return r.Long(), nil
}

// eval appends a term's value as one of type t; null says that there is none.
func (m *Mapper) eval(t *term, as mesh.Type, row []Column, dst []byte) (_ []byte, null bool, err error) {
	if t.column >= 0 {
		c := row[t.column]
		if c.Value == nil {
			return dst, true, nil
		}
		dst, err = appendValue(dst, as, m.reader.Columns[t.column].at(c.Branch), c.Value)
		return dst, false, err
	}
	if err := m.fill(t.program, row); err != nil {
		return dst, false, err
	}
	v, err := t.program.Eval(m.row)
	if err != nil || v == nil {
		return dst, true, err
	}
	dst, err = appendNative(dst, as, v)
	return dst, false, err
}

// value gives a field's value, nil for null.
func (m *Mapper) value(s *setter, row []Column, out *Mapped) ([]byte, error) {
	if s.field.Localized {
		return m.localized(s, row, out)
	}
	if s.column >= 0 && row[s.column].Value == nil {
		return nil, nil
	}
	start := len(out.arena)
	if s.field.Rule.Name == mesh.Count {
		return m.counted(s, row, out)
	}
	if s.column >= 0 {
		c := row[s.column]
		if w := m.reader.Columns[s.column].at(c.Branch); w.verbatim(s.field.Type) {
			return c.Value, nil
		}
	}
	arena, null, err := m.eval(&s.term, s.field.Type, row, out.arena)
	if err != nil || null {
		return nil, err
	}
	return out.take(arena, start), nil
}

// verbatim says whether a source type is written as the field's type is.
func (t *wireType) verbatim(as mesh.Type) bool {
	switch t.means {
	case meansText, meansTextTime, meansTextNumber:
		return as.Kind == mesh.String
	case meansInt:
		return as.Kind == mesh.Int
	case meansBool:
		return as.Kind == mesh.Bool
	case meansBytes:
		return as.Kind == mesh.Bytes && t.kind == wireBytes
	}
	return false
}

// counted is 1 for a value of whatever type: rule count counts the values that are not null.
func (m *Mapper) counted(s *setter, row []Column, out *Mapped) ([]byte, error) {
	if s.column < 0 {
		if err := m.fill(s.program, row); err != nil {
			return nil, err
		}
		if v, err := s.program.Eval(m.row); err != nil || v == nil {
			return nil, err
		}
	}
	start := len(out.arena)
	return out.take(schemas.AppendLong(out.arena, 1), start), nil
}

// localized gives a map of locale to value, with the locales in bytewise order; nil where no
// locale has a value.
func (m *Mapper) localized(s *setter, row []Column, out *Mapped) ([]byte, error) {
	out.entries = out.entries[:0]
	var err error
	if s.locale >= 0 {
		err = m.addPair(s, row, out)
	} else {
		err = m.addMap(s, row, out)
	}
	if err != nil || len(out.entries) == 0 {
		return nil, err
	}
	start := len(out.arena)
	return out.take(schemas.AppendLocalized(out.arena, out.entries), start), nil
}

func (m *Mapper) addPair(s *setter, row []Column, out *Mapped) error {
	locale := row[s.locale]
	r := schemas.NewReader(locale.Value)
	text := r.Bytes()
	if len(text) == 0 {
		return errNullLocale
	}
	if row[s.column].Value == nil {
		return nil
	}
	start := len(out.arena)
	arena, _, err := m.eval(&s.term, s.field.Type, row, out.arena)
	if err != nil {
		return err
	}
	out.entries = append(out.entries, schemas.LocaleValue{Locale: text, Value: out.take(arena, start)})
	return nil
}

func (m *Mapper) addMap(s *setter, row []Column, out *Mapped) error {
	if err := m.fill(s.program, row); err != nil {
		return err
	}
	v, err := s.program.Eval(m.row)
	if err != nil || v == nil {
		return err
	}
	locales, ok := v.(map[string]any)
	if !ok {
		return errNoLocales
	}
	for locale, v := range locales {
		if locale == "" {
			return errNullLocale
		}
		if v == nil {
			continue
		}
		start := len(out.arena)
		arena, err := appendNative(out.arena, s.field.Type, v)
		if err != nil {
			return err
		}
		out.entries = append(out.entries, schemas.LocaleValue{Locale: []byte(locale), Value: out.take(arena, start)})
	}
	slices.SortFunc(out.entries, func(a, b schemas.LocaleValue) int { return slices.Compare(a.Locale, b.Locale) })
	return nil
}

// fill gives an expression the columns that it reads.
func (m *Mapper) fill(p *expr.Program, row []Column) error {
	for _, i := range p.Columns() {
		v, err := native(m.reader.Columns[i].at, row[i])
		if err != nil {
			return err
		}
		m.row[i] = v
	}
	return nil
}

// validate holds a field's value against the field's own condition. A field without value has
// nothing to validate; of a localized one each value is.
func (m *Mapper) validate(s *setter, value []byte) error {
	if s.validate == nil || value == nil {
		return nil
	}
	values := []schemas.LocaleValue{{Value: value}}
	if s.field.Localized {
		var err error
		if values, err = schemas.AppendLocales(nil, s.field.Type, value); err != nil {
			return err
		}
	}
	for _, v := range values {
		ok, err := s.validate.Bool([]any{fieldNative(s.field.Type, v.Value)})
		if err != nil {
			return err
		}
		if !ok {
			return errNotValid
		}
	}
	return nil
}
