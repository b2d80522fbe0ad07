package postgres

import "tributary/ingest"

// encodeChange writes key and envelope of an event into the slab. The position is the caller's.
func encodeChange(e *rowEncoder, mem *slab, ev *event, key tuple, m *moment) (ingest.Change, error) {
	room := e.bound(key)
	if ev.before != nil {
		room += e.bound(ev.before)
	}
	if ev.after != nil {
		room += e.bound(ev.after)
	}
	mem.room(room)
	c := ingest.Change{Stream: e.shape.stream, Op: ev.op, CommitTime: m.time}
	mark := len(mem.buf)
	var err error
	if mem.buf, err = e.key(mem.buf, key); err != nil {
		return c, err
	}
	c.Key = mem.cut(mark)
	mark = len(mem.buf)
	if mem.buf, err = e.envelope(mem.buf, ev, m); err != nil {
		return c, err
	}
	c.Value = mem.cut(mark)
	return c, nil
}
