package postgres

import (
	"fmt"
	"strconv"
	"time"

	"tributary/ingest"
	"tributary/schemas"
)

// A rowEncoder turns tuples of one shape into framed Avro keys and envelopes. It is compiled
// once for a shape: no maps, no reflection, no garbage a row. One goroutine uses it.
type rowEncoder struct {
	shape   *shape
	subject string
	columns []columnEncoder
	ids     ingest.SchemaIDs

	head     []byte // source: version, connector, name
	db       string
	prefix   []byte // source up to lsn, of the transaction that it was made for
	prefixOf uint64 // number of that transaction; 0 is none
}

// A columnEncoder is a compiled column.
type columnEncoder struct {
	encode   encode
	branch   bool // whether the branch of the union with null stands before the value
	nullable bool
	key      bool
}

// A moment is what all changes of one transaction share in their envelopes' source.
type moment struct {
	number   uint64 // counts transactions of a session from 1
	time     time.Time
	snapshot string // "true", "incremental" or "false"
	xid      uint32 // 0 unknown
}

// version is what source.version says.
const version = "tributary"

func (s *source) newRowEncoder(sh *shape) *rowEncoder {
	e := &rowEncoder{shape: sh, subject: s.streamSubject(sh.stream), db: s.config.Database}
	for i := range sh.columns {
		e.columns = append(e.columns, compileColumn(&sh.columns[i], sh.nullable(i)))
	}
	e.head = schemas.AppendString(e.head, version)
	e.head = schemas.AppendString(e.head, "postgresql")
	e.head = schemas.AppendString(e.head, s.mesh+".raw."+s.system.Name)
	return e
}

func compileColumn(c *column, nullable bool) columnEncoder {
	out := columnEncoder{encode: scalarEncoder(c.typ.oid), branch: nullable, nullable: nullable, key: c.key}
	if c.typ.elem != nil {
		out.branch = false // it writes its own
		element := scalarEncoder(c.typ.elem.oid)
		if nullable {
			out.encode = arrayEncoder(element, branch1, branch2)
		} else {
			out.encode = arrayEncoder(element, branch0, branch1)
		}
	}
	return out
}

// column appends one value.
func (e *rowEncoder) column(dst []byte, i int, v *value) ([]byte, error) {
	c := &e.columns[i]
	switch v.kind {
	case kindNull:
		if !c.nullable {
			return dst, e.fail(i, fmt.Errorf("a key column is null"))
		}
		return append(dst, branch0), nil
	case kindText:
	default:
		return dst, e.fail(i, fmt.Errorf("the change does not hold the column (kind %q)", v.kind))
	}
	if c.branch {
		dst = append(dst, branch1)
	}
	dst, err := c.encode(dst, v.text)
	if err != nil {
		return dst, e.fail(i, err)
	}
	return dst, nil
}

func (e *rowEncoder) fail(i int, err error) error {
	c := &e.shape.columns[i]
	return fmt.Errorf("%s: column %s (%s): %w", e.subject, strconv.Quote(c.name), c.typ.text, err)
}

// bound is a generous guess of a record's size, so that slabs rarely have to move one.
func (e *rowEncoder) bound(t tuple) int { return 2*t.size() + 12*len(t) + 512 }

// key appends the framed key of a tuple.
func (e *rowEncoder) key(dst []byte, t tuple) (_ []byte, err error) {
	dst = schemas.AppendFrame(dst, e.ids.Key)
	for i := range e.columns {
		if e.columns[i].key {
			if dst, err = e.column(dst, i, &t[i]); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// row appends an optional row; with keyOnly the other columns are null.
func (e *rowEncoder) row(dst []byte, t tuple, keyOnly bool) (_ []byte, err error) {
	if t == nil {
		return append(dst, branch0), nil
	}
	dst = append(dst, branch1)
	null := value{kind: kindNull}
	for i := range e.columns {
		v := &t[i]
		if keyOnly && !e.columns[i].key {
			v = &null
		}
		if dst, err = e.column(dst, i, v); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// An event is one envelope to be written.
type event struct {
	op            ingest.Op
	before, after tuple
	keyOnly       bool // before holds the key columns alone
	lsn           uint64
	now           time.Time // our clock
}

// envelope appends the framed envelope of an event.
func (e *rowEncoder) envelope(dst []byte, ev *event, m *moment) (_ []byte, err error) {
	dst = schemas.AppendFrame(dst, e.ids.Value)
	if dst, err = e.row(dst, ev.before, ev.keyOnly); err != nil {
		return dst, err
	}
	if dst, err = e.row(dst, ev.after, false); err != nil {
		return dst, err
	}
	if e.prefixOf != m.number {
		e.prefix, e.prefixOf = e.sourcePrefix(e.prefix[:0], m), m.number
	}
	return tail(append(dst, e.prefix...), ev), nil
}

// sourcePrefix appends source up to lsn.
func (e *rowEncoder) sourcePrefix(dst []byte, m *moment) []byte {
	dst = append(dst, e.head...)
	dst = schemas.AppendLong(dst, m.time.UnixMilli())
	dst = schemas.AppendString(append(dst, branch0), m.snapshot)
	dst = schemas.AppendString(dst, e.db)
	dst = append(dst, branch0) // sequence
	dst = schemas.AppendLong(append(dst, branch1), m.time.UnixMicro())
	dst = schemas.AppendLong(append(dst, branch1), m.time.UnixNano())
	dst = schemas.AppendString(dst, e.shape.schema)
	dst = schemas.AppendString(dst, e.shape.table)
	if m.xid == 0 {
		return append(dst, branch0)
	}
	return schemas.AppendLong(append(dst, branch1), int64(m.xid))
}

// tail appends what stands behind txId: the rest of source, transaction, op and our clock.
func tail(dst []byte, ev *event) []byte {
	if ev.lsn == 0 {
		dst = append(dst, branch0)
	} else {
		dst = schemas.AppendLong(append(dst, branch1), int64(ev.lsn))
	}
	dst = append(dst, branch0, branch0, branch0) // xmin, origin, origin_lsn
	dst = append(dst, branch0)                   // transaction
	dst = append(dst, branch1, byte(ev.op))      // op: a string of one byte
	dst = schemas.AppendLong(append(dst, branch1), ev.now.UnixMilli())
	dst = schemas.AppendLong(append(dst, branch1), ev.now.UnixMicro())
	return schemas.AppendLong(append(dst, branch1), ev.now.UnixNano())
}

// contract describes the shape's records.
func (s *source) contract(sh *shape, estimatedRows int64) (ingest.Contract, error) {
	key, value, err := sh.schemas(s.topic(sh.stream))
	if err != nil {
		return ingest.Contract{}, fmt.Errorf("%s: %w", s.streamSubject(sh.stream), err)
	}
	e := s.newRowEncoder(sh)
	return ingest.Contract{Stream: sh.stream, KeySchema: key, ValueSchema: value, EstimatedRows: estimatedRows,
		Delete: func(dst []byte, at time.Time) []byte {
			m := moment{time: at, snapshot: "false"}
			dst = append(dst, branch0, branch0) // before, after
			return tail(e.sourcePrefix(dst, &m), &event{op: ingest.OpDelete, now: time.Now()})
		}}, nil
}
