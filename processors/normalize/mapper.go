package normalize

import (
	"fmt"

	"tributary/mesh"
	"tributary/mesh/expr"
	"tributary/schemas"
)

// Mapped is what a row says about an entity. It is reused by the next Map, and its slices point
// into it or into the envelope.
type Mapped struct {
	ID         []byte // canonical id; empty where a row that is not live has none
	Live       bool   // false: the block's `when` says that the row contributes nothing
	SourceTime int64  // µs since 1970: the block's `at`, else the commit time
	// Values holds for each of the entity's fields the Avro value without union branch, nil for
	// null and for fields that the block does not set. The key field's value is set.
	Values [][]byte

	arena   []byte
	entries []schemas.LocaleValue
}

// A Violation says why a row cannot become a contribution. It holds no personal data (I11).
type Violation struct {
	Field  string // "" for when and at
	Part   string // what of the block is violated: "key", "when", "at" or "set"
	Column string // the column at fault, "" where an expression reads several
	Reason string
}

// Error gives the violation in a sentence.
func (v *Violation) Error() string {
	what := v.Part
	if v.Field != "" {
		what = "field " + v.Field
	}
	if v.Column != "" {
		what += " from column " + v.Column
	}
	return what + ": " + v.Reason
}

// A Mapper turns rows of a stream into contributions to an entity by one block of it. It keeps
// buffers between calls, so each goroutine needs its own.
type Mapper struct {
	codec   *schemas.EntityCodec
	reader  *EnvelopeReader
	columns []expr.Column
	key     term
	when    *term
	at      *term
	sets    []setter
	row     []any // by column, for expressions
}

// A term is a compiled expression of the block.
type term struct {
	part    string
	program *expr.Program
	column  int  // of a plain reference, −1 otherwise
	secret  bool // it reads a column of personal data
}

// A setter gives one field its value.
type setter struct {
	term
	field    *mesh.Field
	index    int
	locale   int // column of a pair's locale, −1 otherwise
	validate *expr.Program
}

// CompileMapper compiles one block of an entity for rows of one schema. Its error names every
// fault with its place in the manifest.
func CompileMapper(codec *schemas.EntityCodec, block *mesh.Block, env *EnvelopeReader) (*Mapper, error) {
	m := &Mapper{codec: codec, reader: env, columns: env.Expr(), row: make([]any, len(env.Columns))}
	if err := m.check(block); err != nil {
		return nil, fmt.Errorf("entity %s, contribution %s: %w", codec.Entity.Name, block.Name, err)
	}
	for _, t := range []struct {
		part, text string
		want       expr.Want
		into       **term
	}{{"when", block.When, expr.Cond, &m.when}, {"at", block.At, expr.At, &m.at}} {
		if t.text == "" {
			continue
		}
		compiled, err := m.compile(t.part, t.text, t.want)
		if err != nil {
			return nil, err
		}
		*t.into = &compiled
	}
	var err error
	if m.key, err = m.compile("key", block.Key, expr.Key); err != nil {
		return nil, err
	}
	for _, a := range block.Set {
		if err := m.addSetter(a); err != nil {
			return nil, err
		}
	}
	m.hidePersonal()
	return m, nil
}

// check type-checks the block's expressions.
func (m *Mapper) check(block *mesh.Block) error {
	alone := *m.codec.Entity
	alone.Contributions = []*mesh.Block{block}
	return alone.CheckColumns(func(*mesh.Stream) ([]expr.Column, bool) { return m.columns, true })
}

func wantOf(f *mesh.Field) expr.Want {
	if f != nil && f.Localized {
		return expr.LocalizedValue
	}
	return expr.Value
}

func (m *Mapper) compile(part, text string, want expr.Want) (term, error) {
	p, err := expr.Compile(text, m.columns, want)
	if err != nil {
		return term{}, fmt.Errorf("entity %s: %s %s: %w", m.codec.Entity.Name, part, text, err)
	}
	t := term{part: part, program: p, column: -1}
	if c, ok := p.Column(); ok {
		t.column = c
	}
	return t, nil
}

func (m *Mapper) addSetter(a mesh.Assignment) error {
	s := setter{locale: -1}
	for i, f := range m.codec.Entity.Fields {
		if f.Name == a.Field {
			s.field, s.index = f, i
		}
	}
	if s.field == nil {
		return fmt.Errorf("entity %s: %s: unknown field %q", m.codec.Entity.Name, a.Pos, a.Field)
	}
	var err error
	if s.term, err = m.compile("set", a.Expr, wantOf(s.field)); err != nil {
		return err
	}
	for _, i := range s.program.Columns() {
		if m.columns[i].Type == 0 {
			return mesh.Faults{{Pos: a.Pos, What: fmt.Sprintf("column %s of entity %s holds a structure that no field takes", m.columns[i].Name, m.codec.Entity.Name),
				Suggestion: "leave it out of set"}}
		}
	}
	if locale, value, ok := s.program.ColumnPair(); ok {
		s.locale, s.column = locale, value
	}
	if s.field.Validate != "" {
		if s.validate, err = expr.CompileValidate(s.field.Validate, mesh.ValueType(s.field.Type)); err != nil {
			return fmt.Errorf("entity %s: %s: validate of %s: %w", m.codec.Entity.Name, s.field.Pos, s.field.Name, err)
		}
	}
	m.sets = append(m.sets, s)
	return nil
}

// hidePersonal marks every term that reads a column from which a field of personal data is set,
// so that no violation tells its value. // I11
func (m *Mapper) hidePersonal() {
	personal := make([]bool, len(m.reader.Columns))
	mark := func(f *mesh.Field, t *term) {
		for _, i := range t.program.Columns() {
			personal[i] = personal[i] || f.Classification != ""
		}
	}
	mark(m.codec.Entity.Fields[m.codec.KeyIndex], &m.key)
	for i := range m.sets {
		mark(m.sets[i].field, &m.sets[i].term)
	}
	terms := []*term{&m.key, m.when, m.at}
	for i := range m.sets {
		terms = append(terms, &m.sets[i].term)
	}
	for _, t := range terms {
		if t == nil {
			continue
		}
		for _, i := range t.program.Columns() {
			t.secret = t.secret || personal[i]
		}
	}
}
