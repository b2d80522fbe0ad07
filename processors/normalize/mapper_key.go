package normalize

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hamba/avro/v2"
	"tributary/mesh"
	"tributary/schemas"
)

// A KeyReader reads the Avro keys of a raw topic. It is safe for concurrent use.
type KeyReader struct {
	Columns []ColumnType // the key's columns, in its order
}

// CompileKey compiles the reader of a raw topic's key schema: a record of the key's columns.
func CompileKey(keySchema string) (*KeyReader, error) {
	s, err := avro.ParseWithCache(keySchema, "", &avro.SchemaCache{})
	if err != nil {
		return nil, fmt.Errorf("the schema of the key is not Avro: %w", err)
	}
	rec, ok := s.(*avro.RecordSchema)
	if !ok || len(rec.Fields()) == 0 {
		return nil, fmt.Errorf("the schema of the key is of type %s, a record of columns was expected", s.Type())
	}
	t, err := compileType(rec, 0)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return &KeyReader{Columns: columnsOf(rec, t)}, nil
}

// columnsOf gives the columns of a row's record with the source's own names.
func columnsOf(rec *avro.RecordSchema, t *wireType) []ColumnType {
	columns := make([]ColumnType, len(t.fields))
	for i, f := range rec.Fields() {
		c := &columns[i]
		*c = ColumnType{Name: property(f, "tributary.column"), Type: property(f, "tributary.type"), wire: t.fields[i].t}
		if c.Name == "" {
			c.Name = f.Name()
		}
		c.wire.setMeanings(c.Type)
	}
	return columns
}

// SourceKey gives the text that names a source row in contributions and provenance: of a key of
// one column its text, of several a JSON array of their texts. body is the key's Avro body.
func (k *KeyReader) SourceKey(body []byte) (string, error) {
	var few [64]byte
	out := few[:0]
	if len(k.Columns) > 1 {
		out = append(out, '[')
	}
	in := cursor{body: body}
	for i := range k.Columns {
		if i > 0 {
			out = append(out, ',')
		}
		c := in.column(k.Columns[i].wire)
		if in.bad {
			return "", fmt.Errorf("key column %s: %w", k.Columns[i].Name, schemas.ErrShort)
		}
		text, err := keyText(&k.Columns[i], c)
		if err != nil {
			return "", fmt.Errorf("key column %s: %w", k.Columns[i].Name, err)
		}
		switch {
		case len(k.Columns) == 1:
			out = append(out, text...)
		case c.Value == nil:
			out = append(out, "null"...)
		default:
			if out, err = schemas.AppendJSON(out, mesh.Type{Kind: mesh.String}, schemas.AppendBytes(nil, text)); err != nil {
				return "", fmt.Errorf("key column %s: %w", k.Columns[i].Name, err)
			}
		}
	}
	if len(k.Columns) > 1 {
		out = append(out, ']')
	}
	return string(out), nil
}

// keyText gives a key column as text: bytes as \x and hex digits, arrays as JSON.
func keyText(c *ColumnType, v Column) ([]byte, error) {
	if v.Value == nil {
		return nil, nil
	}
	w := c.at(v.Branch)
	as := mesh.Type{Kind: mesh.String}
	switch w.means {
	case meansBytes:
		return fmt.Appendf(nil, `\x%x`, w.raw(v.Value)), nil
	case meansList:
		as.Kind = mesh.JSON
	}
	var few [64]byte
	text, err := appendValue(few[:0], as, w, v.Value)
	r := schemas.NewReader(text)
	return r.Bytes(), err
}

// KeyFromPrimaryKey says whether the entity's id derives from these columns alone. Then a row
// can never move to another entity, and a delete gives the id by its key.
func (m *Mapper) KeyFromPrimaryKey(keyColumns []string) bool {
	for _, i := range m.key.program.Columns() {
		if !slices.Contains(keyColumns, m.reader.Columns[i].Name) {
			return false
		}
	}
	return true
}

var errNotBound = errors.New("the entity's id does not derive from the source's key alone")

// A KeyMapper gives the entity id of a source key, where it derives from that alone. It keeps
// buffers between calls, so each goroutine needs its own.
type KeyMapper struct {
	mapper *Mapper
	key    *KeyReader
	place  []int // by key column: index of the row's column
	branch []int // by key column: the branch of the row's column that its values have
	row    []Column
	out    Mapped
}

// BindKey makes the KeyMapper for keys of one schema. Its error says why there can be none.
func (m *Mapper) BindKey(k *KeyReader) (*KeyMapper, error) {
	km := &KeyMapper{mapper: m, key: k, row: make([]Column, len(m.reader.Columns))}
	var names []string
	for _, c := range k.Columns {
		names = append(names, c.Name)
		place, branch := m.findColumn(&c)
		km.place, km.branch = append(km.place, place), append(km.branch, branch)
		if place < 0 {
			return nil, fmt.Errorf("key column %s: %w", c.Name, errNotBound)
		}
	}
	if !m.KeyFromPrimaryKey(names) {
		return nil, errNotBound
	}
	return km, nil
}

// findColumn gives the row's column of a key column, and the branch that holds its values.
func (m *Mapper) findColumn(key *ColumnType) (place, branch int) {
	want := key.wire.value()
	for i := range m.reader.Columns {
		c := &m.reader.Columns[i]
		if c.Name != key.Name || want == nil {
			continue
		}
		if c.wire.kind != wireUnion && c.wire.like(want) {
			return i, 0
		}
		for b, t := range c.wire.branches {
			if t.like(want) {
				return i, b
			}
		}
	}
	return -1, 0
}

// like says whether two scalar types are written and meant alike.
func (t *wireType) like(o *wireType) bool {
	return t.kind == o.kind && t.means == o.means && t.size == o.size && t.scale == o.scale && t.kind < wireEnum
}

// ID gives the canonical entity id of a source key's Avro body; it is valid until the next call.
// The error is a *Violation, or says that the key is damaged.
func (k *KeyMapper) ID(body []byte) ([]byte, error) {
	in := cursor{body: body}
	for i := range k.key.Columns {
		c := in.column(k.key.Columns[i].wire)
		if in.bad {
			return nil, fmt.Errorf("key column %s: %w", k.key.Columns[i].Name, schemas.ErrShort)
		}
		k.row[k.place[i]] = Column{Value: c.Value, Branch: k.branch[i]}
	}
	k.out.reset(len(k.mapper.codec.Entity.Fields))
	if err := k.mapper.mapKey(k.row, &k.out); err != nil {
		codec := k.mapper.codec
		return nil, k.mapper.violation(&k.mapper.key, codec.Entity.Fields[codec.KeyIndex], err, k.row)
	}
	return k.out.ID, nil
}
