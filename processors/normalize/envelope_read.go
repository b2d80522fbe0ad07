package normalize

import (
	"tributary/ingest"
	"tributary/schemas"
)

// Read reads an envelope's Avro body (without frame) into env. The error is schemas.ErrShort
// where the body does not hold what its schema says.
func (e *EnvelopeReader) Read(body []byte, env *Envelope) error {
	*env = Envelope{before: env.before, after: env.after}
	r := schemas.NewReader(body)
	for i := range e.fields {
		f := &e.fields[i]
		ok := true
		switch f.role {
		case roleBefore:
			env.Before, ok = readRow(&r, f.t, &env.before)
		case roleAfter:
			env.After, ok = readRow(&r, f.t, &env.after)
		case roleSource:
			ok = e.readSource(&r, env)
		case roleOp:
			if op := r.Bytes(); len(op) == 1 {
				env.Op = ingest.Op(op[0])
			}
		default:
			ok = f.t.skip(&r)
		}
		if !ok || r.Err() != nil {
			return schemas.ErrShort
		}
	}
	return nil
}

func (e *EnvelopeReader) readSource(r *schemas.Reader, env *Envelope) bool {
	var millis, micros int64
	var exact bool
	for i := range e.source {
		f := &e.source[i]
		if f.role == roleSkip {
			if !f.t.skip(r) {
				return false
			}
			continue
		}
		v, has, ok := readInt(r, f.t)
		if !ok {
			return false
		}
		switch f.role {
		case roleMillis:
			millis = v
		case roleMicros:
			micros, exact = v, has
		case roleTxID:
			env.TxID = v
		}
	}
	env.CommitTime = millis * 1000
	if exact {
		env.CommitTime = micros
	}
	return true
}

// readInt reads an int, or a union that may hold one; has is false for null and other types.
func readInt(r *schemas.Reader, t *wireType) (v int64, has, ok bool) {
	if t.kind == wireUnion {
		if t = t.branch(r); t == nil {
			return 0, false, false
		}
	}
	if t.kind != wireInt {
		return 0, false, t.skip(r)
	}
	v = r.Long()
	return v, true, r.Err() == nil
}

// readRow reads a row, or a union that may hold one, into *memory.
func readRow(r *schemas.Reader, t *wireType, memory *[]Column) ([]Column, bool) {
	if t.kind == wireUnion {
		if t = t.branch(r); t == nil {
			return nil, false
		}
	}
	if t.kind != wireRecord {
		return nil, t.skip(r)
	}
	row := (*memory)[:0]
	for i := range t.fields {
		c, ok := readColumn(r, t.fields[i].t)
		if !ok {
			return nil, false
		}
		row = append(row, c)
	}
	*memory = row
	return row, true
}

func readColumn(r *schemas.Reader, t *wireType) (c Column, ok bool) {
	if t.kind == wireUnion {
		n := r.Long()
		if r.Err() != nil || n < 0 || n >= int64(len(t.branches)) {
			return c, false
		}
		t, c.Branch = t.branches[n], int(n)
	}
	if t.kind == wireNull {
		return c, true
	}
	c.Value = t.span(r)
	return c, c.Value != nil
}
