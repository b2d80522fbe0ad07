package normalize

import (
	"errors"
	"fmt"

	"github.com/hamba/avro/v2"
)

// A Column is one value of a row: its Avro body without the union's index, nil for null. It
// points into the envelope's body.
type Column struct {
	Value  []byte
	Branch int // index of the value's type in the column's union, 0 where it has none
}

// An Envelope is one change as normalize needs it. Its slices are reused by the next Read and
// point into the body that was read.
type Envelope struct {
	Op         byte     // Debezium's letter: c, u, d, r
	CommitTime int64    // µs since 1970, on the source's clock
	TxID       int64    // the source's transaction; 0 unknown
	Before     []Column // nil where the envelope has none
	After      []Column // nil for a delete

	before, after []Column // the slices' memory
}

// ColumnType is what the schema of a stream says about a column.
type ColumnType struct {
	Name string // the source's own name, where the Avro name had to be adjusted
	Type string // the source's own type where the driver names it, e.g. "numeric"

	wire *wireType
}

// An EnvelopeReader reads the Avro envelopes of one schema: Debezium's layout (before, after,
// source, op, ts_ms, …) in any order and with any further fields. It is safe for concurrent use.
// Source: debezium.io, connectors/postgresql, "Data change events".
type EnvelopeReader struct {
	Columns []ColumnType // of before and after, in the schema's order

	row    *wireType
	fields []envelopeField
	source []envelopeField
}

type role uint8

const (
	roleSkip role = iota
	roleBefore
	roleAfter
	roleSource
	roleOp
	roleMillis
	roleMicros
	roleTxID
)

type envelopeField struct {
	role role
	t    *wireType
}

// CompileEnvelope compiles the reader of a raw topic's value schema.
func CompileEnvelope(valueSchema string) (*EnvelopeReader, error) {
	s, err := avro.ParseWithCache(valueSchema, "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("the schema of the envelope is not Avro: %w", err)
	}
	rec, ok := s.(*avro.RecordSchema)
	if !ok {
		return nil, fmt.Errorf("the schema of the envelope is of type %s, a record was expected", s.Type())
	}
	t, err := compileType(rec, 0)
	if err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	e := &EnvelopeReader{}
	for _, f := range t.fields {
		if err := e.addField(f); err != nil {
			return nil, fmt.Errorf("envelope: field %s: %w", f.name, err)
		}
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	e.Columns = columnsOf(rowSchema(rec), e.row)
	return e, nil
}

func (e *EnvelopeReader) addField(f wireField) error {
	field := envelopeField{roleSkip, f.t}
	switch f.name {
	case "before", "after":
		field.role = roleBefore
		if f.name == "after" {
			field.role = roleAfter
		}
		row := f.t.record()
		if row == nil {
			return errors.New("a record was expected, or a union of null and a record")
		}
		if e.row != nil && !sameNames(e.row, row) {
			return errors.New("before and after have different columns")
		}
		e.row = row
	case "source":
		if f.t.kind != wireRecord {
			return errors.New("a record was expected")
		}
		field.role = roleSource
		e.addSource(f.t)
	case "op":
		if f.t.kind != wireString {
			return errors.New("a string was expected")
		}
		field.role = roleOp
	}
	e.fields = append(e.fields, field)
	return nil
}

func (e *EnvelopeReader) addSource(t *wireType) {
	for _, f := range t.fields {
		field := envelopeField{roleSkip, f.t}
		if f.t.holdsInt() {
			switch f.name {
			case "ts_ms":
				field.role = roleMillis
			case "ts_us":
				field.role = roleMicros
			case "txId":
				field.role = roleTxID
			}
		}
		e.source = append(e.source, field)
	}
}

func (e *EnvelopeReader) check() error {
	has := map[role]bool{}
	for _, f := range append(append([]envelopeField{}, e.fields...), e.source...) {
		has[f.role] = true
	}
	switch {
	case !has[roleAfter]:
		return errors.New("envelope: there is no field after")
	case !has[roleOp]:
		return errors.New("envelope: there is no field op")
	case !has[roleMillis] && !has[roleMicros]:
		return errors.New("envelope: source has neither ts_ms nor ts_us, so the commit time is unknown")
	}
	return nil
}

func rowSchema(envelope *avro.RecordSchema) *avro.RecordSchema {
	for _, f := range envelope.Fields() {
		if f.Name() != "after" {
			continue
		}
		for _, s := range flatten(f.Type()) {
			if rec, ok := s.(*avro.RecordSchema); ok {
				return rec
			}
		}
	}
	return nil
}

// flatten gives the branches of a union, or the type itself, with references followed.
func flatten(s avro.Schema) (out []avro.Schema) {
	if ref, ok := s.(*avro.RefSchema); ok {
		s = ref.Schema()
	}
	union, ok := s.(*avro.UnionSchema)
	if !ok {
		return []avro.Schema{s}
	}
	for _, b := range union.Types() {
		out = append(out, flatten(b)...)
	}
	return out
}

// property gives a text property of a field, or of the field's type.
func property(f *avro.Field, name string) string {
	if v, ok := f.Prop(name).(string); ok {
		return v
	}
	for _, s := range flatten(f.Type()) {
		if v := typeProperty(s, name); v != "" {
			return v
		}
	}
	return ""
}

// record gives the record that a type is, or that its union holds beside null.
func (t *wireType) record() *wireType {
	if t.kind == wireRecord {
		return t
	}
	for _, b := range t.branches {
		if b.kind == wireRecord {
			return b
		}
	}
	return nil
}

func (t *wireType) holdsInt() bool {
	if t.kind == wireInt {
		return true
	}
	for _, b := range t.branches {
		if b.kind == wireInt {
			return true
		}
	}
	return false
}

func sameNames(a, b *wireType) bool {
	if len(a.fields) != len(b.fields) {
		return false
	}
	for i := range a.fields {
		if a.fields[i].name != b.fields[i].name {
			return false
		}
	}
	return true
}
