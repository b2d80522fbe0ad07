package normalize

import (
	"tributary/schemas"
)

// Read reads an envelope's Avro body (without frame) into env. The error is schemas.ErrShort
// where the body does not hold what its schema says.
func (e *EnvelopeReader) Read(body []byte, env *Envelope) error {
	*env = Envelope{before: env.before, after: env.after}
	c := cursor{body: body}
	for i := range e.fields {
		f := &e.fields[i]
		switch f.role {
		case roleBefore:
			env.Before = c.row(f.t, &env.before)
		case roleAfter:
			env.After = c.row(f.t, &env.after)
		case roleSource:
			e.readSource(&c, env)
		case roleOp:
			if op := c.bytes(); len(op) == 1 {
				env.Op = op[0]
			}
		default:
			c.skip(f.t)
		}
	}
	if c.bad {
		return schemas.ErrShort
	}
	return nil
}

func (e *EnvelopeReader) readSource(c *cursor, env *Envelope) {
	var millis, micros int64
	var exact bool
	for i := range e.source {
		f := &e.source[i]
		switch f.role {
		case roleMillis:
			millis, _ = c.int(f.t)
		case roleMicros:
			micros, exact = c.int(f.t)
		case roleTxID:
			env.TxID, _ = c.int(f.t)
		default:
			c.skip(f.t)
		}
	}
	env.CommitTime = millis * 1000
	if exact {
		env.CommitTime = micros
	}
}

// int reads an int, or a union that may hold one; ok is false for null and other types.
func (c *cursor) int(t *wireType) (v int64, ok bool) {
	if t.kind == wireUnion {
		if t = c.branch(t); t == nil {
			return 0, false
		}
	}
	if t.kind != wireInt {
		c.skip(t)
		return 0, false
	}
	v = c.long()
	return v, !c.bad
}

// row reads a row, or a union that may hold one, into *memory.
func (c *cursor) row(t *wireType, memory *[]Column) []Column {
	if t.kind == wireUnion {
		if t = c.branch(t); t == nil {
			return nil
		}
	}
	if t.kind != wireRecord {
		c.skip(t)
		return nil
	}
	row := (*memory)[:0]
	for i := range t.fields {
		row = append(row, c.column(t.fields[i].t))
	}
	*memory = row
	return row
}
