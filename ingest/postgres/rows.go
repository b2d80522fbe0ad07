package postgres

import (
	"bytes"
	"context"
	"fmt"

	"tributary/ingest"
)

// insert takes an Insert message.
func (st *stream) insert(ctx context.Context, m *message) error {
	rel, err := st.relationOf(m)
	if err != nil {
		return err
	}
	if rel == nil {
		st.tx.minor++
		return nil
	}
	m.byte() // N
	if err := st.tuple(m, rel, 1); err != nil {
		return err
	}
	return st.emit(ctx, rel, &event{op: ingest.OpCreate, after: st.tuples[1]}, st.tuples[1])
}

// tuple reads a row of a relation into one of the two tuples.
func (st *stream) tuple(m *message, rel *relation, which int) (err error) {
	if st.tuples[which], err = m.tuple(st.tuples[which]); err != nil {
		return fmt.Errorf("%s: %w", rel.encoder.subject, err)
	}
	if len(st.tuples[which]) != len(rel.encoder.columns) {
		return fmt.Errorf("%s: a change has another number of columns than its table: %w", rel.encoder.subject, errMessage)
	}
	return nil
}

// update takes an Update message. Where it changes the key, it becomes a delete of the old key
// and a create of the new one.
func (st *stream) update(ctx context.Context, m *message) error {
	rel, err := st.relationOf(m)
	if err != nil {
		return err
	}
	if rel == nil {
		st.tx.minor++
		return nil
	}
	kind := m.byte()
	hasOld := kind == 'K' || kind == 'O'
	if hasOld {
		if err := st.tuple(m, rel, 0); err != nil {
			return err
		}
		m.byte() // N
	}
	if err := st.tuple(m, rel, 1); err != nil {
		return err
	}
	old, row := st.tuples[0], st.tuples[1]
	if hasOld {
		rel.fillFromOld(old, row, kind == 'O')
	}
	ev := event{op: ingest.OpUpdate, after: row}
	switch {
	case hasOld && rel.keyDiffers(old, row):
		if err := st.emit(ctx, rel, rel.deletion(old, kind == 'O'), old); err != nil {
			return err
		}
		ev.op = ingest.OpCreate
	case kind == 'O' && rel.before:
		ev.before = old
	}
	found, err := st.complete(ctx, rel, row)
	if err != nil {
		return fmt.Errorf("%s: %w", rel.encoder.subject, err)
	}
	if !found {
		st.tx.minor++ // a repetition of the stream may find it; positions must not depend on that
		return nil
	}
	return st.emit(ctx, rel, &ev, row)
}

// fillFromOld takes unchanged columns from the old row: all of them from a whole one, only the
// key's from one that holds the key alone.
func (rel *relation) fillFromOld(old, row tuple, whole bool) {
	for i := range row {
		if row[i].kind == kindUnchanged && (whole || rel.encoder.columns[i].key) && old[i].kind != kindUnchanged {
			row[i] = old[i]
		}
	}
}

// keyDiffers says whether two rows have different keys.
func (rel *relation) keyDiffers(old, row tuple) bool {
	for i := range row {
		if rel.encoder.columns[i].key && (old[i].kind != row[i].kind || !bytes.Equal(old[i].text, row[i].text)) {
			return true
		}
	}
	return false
}

// deletion is the event of a deleted row. It carries the key columns, and the whole row only
// where the stream asks for it.
func (rel *relation) deletion(old tuple, whole bool) *event {
	return &event{op: ingest.OpDelete, before: old, keyOnly: !whole || !rel.before}
}

// delete takes a Delete message.
func (st *stream) delete(ctx context.Context, m *message) error {
	rel, err := st.relationOf(m)
	if err != nil {
		return err
	}
	if rel == nil {
		st.tx.minor++
		return nil
	}
	kind := m.byte()
	if err := st.tuple(m, rel, 0); err != nil {
		return err
	}
	return st.emit(ctx, rel, rel.deletion(st.tuples[0], kind == 'O'), st.tuples[0])
}

// complete reads unchanged out-of-line columns again; found is false when the row is gone.
func (st *stream) complete(ctx context.Context, rel *relation, row tuple) (found bool, err error) {
	whole := true
	for i := range row {
		whole = whole && row[i].kind != kindUnchanged
	}
	if whole {
		return true, nil
	}
	side, err := st.sideConn(ctx)
	if err != nil {
		return false, err
	}
	if st.tx.full == 0 {
		if st.tx.full, err = fullXID(ctx, side, st.tx.xid); err != nil {
			return false, err
		}
	}
	return rel.reread.fill(ctx, side, st.tx.full, row)
}
