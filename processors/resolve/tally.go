package resolve

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"tributary/schemas"
)

// A Tally is what an entity's partition holds that needs attention. It changes with the state and
// is kept in it, so it is as true after a restart, and counted anew where the state is lost (I3).
type Tally struct {
	Incomplete int64 // entities that wait for required fields
	Conflicts  int64 // open conflicts
}

// Names of the counts in the state.
const (
	tallyIncomplete = "tally.incomplete"
	tallyConflicts  = "tally.conflicts"
)

// loadTally reads the counts of the state.
func (w *worker) loadTally() (err error) {
	if w.tally.Incomplete, err = w.space.Offset(tallyIncomplete); err != nil {
		return err
	}
	w.tally.Conflicts, err = w.space.Offset(tallyConflicts)
	w.told = w.tally
	return err
}

// commit applies a batch with the counts that it changed, and tells them then.
func (w *worker) commit(b *pebble.Batch) error {
	if w.tally == w.told {
		return w.space.Commit(b)
	}
	if err := w.space.SetOffset(b, tallyIncomplete, w.tally.Incomplete); err != nil {
		return err
	}
	if err := w.space.SetOffset(b, tallyConflicts, w.tally.Conflicts); err != nil {
		return err
	}
	if err := w.space.Commit(b); err != nil {
		return err
	}
	w.told = w.tally
	w.tell()
	return nil
}

// tell tells what the state holds.
func (w *worker) tell() {
	t := w.told
	w.cfg.Tallied(w.space.Partition, &t)
}

// countIncomplete marks an entity that exists and lacks a required value, or takes the mark back.
func (r *resolver) countIncomplete(prefix []byte, is bool) error {
	if is == r.old.incomplete {
		return nil
	}
	key := r.space.Key(nil, []byte{spaceEntities}, prefix, []byte{keyIncomplete})
	if is {
		r.tally.Incomplete++
		return r.batch.Set(key, nil, nil)
	}
	r.tally.Incomplete--
	return r.batch.Delete(key, nil)
}

// countConflicts counts the conflicts that begin and end with a published view; new is nil for a
// tombstone, old for an entity that was not published.
func (r *resolver) countConflicts(old, new *schemas.Meta) {
	for i, m := range []*schemas.Meta{old, new} {
		if m == nil {
			continue
		}
		for j := range m.Fields {
			if m.Fields[j].Conflict {
				r.tally.Conflicts += int64(2*i - 1)
			}
		}
	}
}

// recount counts the conflicts of a published record in place of those of the one that it
// replaces, which is in the state or, by its key, in seen.
func (w *worker) recount(key, value []byte, seen map[string]int64) error {
	was, ok := seen[string(key)]
	if !ok {
		stored, _, err := w.space.Get(nil, key)
		if err == nil {
			was, err = w.conflictsIn(stored)
		}
		if err != nil {
			return err
		}
	}
	is, err := w.conflictsIn(value)
	seen[string(key)] = is
	w.tally.Conflicts += is - was
	return err
}

// conflictsIn counts the conflicts of a published record, as the state keeps it.
func (w *worker) conflictsIn(value []byte) (int64, error) {
	if len(value) == 0 || value[0] == 0 {
		return 0, nil
	}
	values, meta, err := w.codec.SplitView(value[1:], w.values)
	if err != nil {
		return 0, err
	}
	w.values = values
	return schemas.CountConflicts(meta)
}

// countAll counts the conflicts of all published records, after a rebuild of the state.
func (w *worker) countAll() error {
	it, err := w.space.Iter([]byte{spaceEntities})
	if err != nil {
		return err
	}
	w.tally.Conflicts = 0
	begin := len(w.space.Key(nil, []byte{spaceEntities}))
	for it.First(); it.Valid() && err == nil; it.Next() {
		_, prefix, fault := entityOf(it.Key()[begin:])
		if err = fault; err != nil || len(it.Key()) != begin+len(prefix)+1 || it.Key()[begin+len(prefix)] != keyPublished {
			continue
		}
		var n int64
		n, err = w.conflictsIn(it.Value())
		w.tally.Conflicts += n
	}
	if err = errors.Join(err, it.Error(), it.Close()); err != nil {
		return err
	}
	return w.commit(w.space.Batch())
}
