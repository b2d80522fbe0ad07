package resolve

import (
	"bytes"
	"errors"
	"maps"

	"github.com/cockroachdb/pebble/v2"

	"tributary/schemas"
)

// A Tally is what an entity's partition holds that needs attention. It changes with the state and
// is kept in it, so it is as true after a restart, and counted anew where the state is lost (I3).
type Tally struct {
	Incomplete int64 // entities that wait for required fields
	Conflicts  int64 // open conflicts
	// Held counts, by stream, rows in the dead letters that concern an entity; Unplaced those
	// whose entity is unknown (I10). A row that several blocks read counts for each.
	Held, Unplaced map[string]int64
}

func (t Tally) clone() *Tally {
	t.Held, t.Unplaced = maps.Clone(t.Held), maps.Clone(t.Unplaced)
	return &t
}

// Names of the counts in the state; streams follow held and unplaced.
const (
	tallyIncomplete = "tally.incomplete"
	tallyConflicts  = "tally.conflicts"
	tallyHeld       = "tally.held."
	tallyUnplaced   = "tally.unplaced."
)

// loadTally reads the counts of the state.
func (w *worker) loadTally() (err error) {
	w.tally = Tally{Held: map[string]int64{}, Unplaced: map[string]int64{}}
	get := func(name string) (n int64) {
		if err == nil {
			n, err = w.space.Offset(name)
		}
		return n
	}
	w.tally.Incomplete, w.tally.Conflicts = get(tallyIncomplete), get(tallyConflicts)
	for _, s := range w.codec.Entity.Streams() {
		w.tally.Held[s.ID()], w.tally.Unplaced[s.ID()] = get(tallyHeld+s.ID()), get(tallyUnplaced+s.ID())
	}
	w.told = w.tally.clone()
	return err
}

// commit applies a batch with the counts that it changed, and tells them then.
func (w *worker) commit(b *pebble.Batch) error {
	if err := w.saveTally(b); err != nil {
		return err
	}
	if err := w.space.Commit(b); err != nil {
		return err
	}
	same := w.tally.Incomplete == w.told.Incomplete && w.tally.Conflicts == w.told.Conflicts &&
		maps.Equal(w.tally.Held, w.told.Held) && maps.Equal(w.tally.Unplaced, w.told.Unplaced)
	if !same {
		w.told = w.tally.clone()
		w.cfg.Tallied(w.space.Partition, w.told)
	}
	return nil
}

// saveTally puts the counts that differ from what the state holds into a batch.
func (w *worker) saveTally(b *pebble.Batch) (err error) {
	put := func(name string, was, is int64) {
		if err == nil && was != is {
			err = w.space.SetOffset(b, name, is)
		}
	}
	put(tallyIncomplete, w.told.Incomplete, w.tally.Incomplete)
	put(tallyConflicts, w.told.Conflicts, w.tally.Conflicts)
	for stream, n := range w.tally.Held {
		put(tallyHeld+stream, w.told.Held[stream], n)
	}
	for stream, n := range w.tally.Unplaced {
		put(tallyUnplaced+stream, w.told.Unplaced[stream], n)
	}
	return err
}

// held is how the key of a held mark ends: its kind, as Avro writes it.
var held = schemas.AppendString(nil, schemas.KindHeld)

// countHeld counts a held mark that was set or taken back. key is a contribution's, with the
// entity's id in front; stored and newest are what its state was (nil: nothing) and is.
func (w *worker) countHeld(key, stored, newest []byte) {
	if !bytes.HasSuffix(key, held) {
		return
	}
	var n int64
	if len(newest) > 0 && newest[0] == 1 {
		n++
	}
	if len(stored) > 0 && stored[0] == 1 {
		n--
	}
	if n == 0 {
		return
	}
	rd := schemas.NewReader(key)
	id, stream := rd.String(), rd.String()
	if id == "" {
		w.tally.Unplaced[stream] += n
		return
	}
	w.tally.Held[stream] += n
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
