package resolve

import (
	"errors"

	"tributary/schemas"
	"tributary/topics"
)

// waiting holds the entities that have ceased to exist, or lack a required value, but are still
// published: their tombstones wait until the frontier is at a record that said so, so that an id
// which moves or returns in one transaction never vanishes. They are in the state; what
// the transaction at hand changed is also in fresh, since a batch cannot be read.
type waiting struct {
	w     *worker
	count int64             // in the state and in fresh
	fresh map[string][]byte // by Avro id; nil: no longer waits
}

// open counts what waits in the state.
func (q *waiting) open(w *worker) error {
	q.w, q.fresh = w, map[string][]byte{}
	it, err := w.space.Iter([]byte{spaceDeleted})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		q.count++
	}
	return errors.Join(it.Error(), it.Close())
}

// settled says that the transaction's batch is in the state.
func (q *waiting) settled() { clear(q.fresh) }

func (q *waiting) key(prefix []byte) []byte {
	return q.w.space.Key(nil, []byte{spaceDeleted}, prefix)
}

// marks gives what an entity waits for, nil when it does not wait.
func (q *waiting) marks(prefix []byte) ([]byte, error) {
	if q.count == 0 {
		return nil, nil
	}
	if marks, ok := q.fresh[string(prefix)]; ok {
		return marks, nil
	}
	marks, there, err := q.w.space.Get([]byte{}, q.key(prefix))
	if !there {
		return nil, err
	}
	return marks, err
}

func waitsFor(marks []byte, stream string) bool {
	rd := schemas.NewReader(marks)
	for len(rd.Rest()) > 0 {
		rd.Fixed(topics.PositionSize)
		if string(rd.Bytes()) == stream {
			return true
		}
	}
	return false
}

// add lets an entity wait for the frontier of a stream to pass its mark. Marks that it waits for
// already stay: what came first is due first.
func (q *waiting) add(prefix []byte, marks []mark) error {
	enc, err := q.marks(prefix)
	if err != nil {
		return err
	}
	if enc == nil {
		q.count++
		enc = []byte{}
	}
	for _, m := range marks {
		if !waitsFor(enc, m.stream) {
			enc = schemas.AppendString(append(enc, m.position[:]...), m.stream)
		}
	}
	q.fresh[string(prefix)] = enc
	return q.w.batch.Set(q.key(prefix), enc, nil)
}

// remove lets an entity wait no longer: it lives again, or its tombstone is out.
func (q *waiting) remove(prefix []byte) error {
	marks, err := q.marks(prefix)
	if err != nil || marks == nil {
		return err
	}
	q.count--
	q.fresh[string(prefix)] = nil
	return q.w.batch.Delete(q.key(prefix), nil)
}

// due gives the entities that have a mark which the frontier has passed: one such mark is enough,
// since the claim that passes it says that its change is out (I4).
func (q *waiting) due() (prefixes [][]byte, err error) {
	for prefix, marks := range q.fresh {
		if marks != nil && q.w.passed(marks) {
			prefixes = append(prefixes, []byte(prefix))
		}
	}
	it, err := q.w.space.Iter([]byte{spaceDeleted})
	if err != nil {
		return nil, err
	}
	begin := len(q.key(nil))
	for it.First(); it.Valid(); it.Next() {
		prefix := it.Key()[begin:]
		if _, changed := q.fresh[string(prefix)]; !changed && q.w.passed(it.Value()) {
			prefixes = append(prefixes, append([]byte(nil), prefix...))
		}
	}
	return prefixes, errors.Join(it.Error(), it.Close())
}

// passed says whether a frontier is at or beyond its mark.
func (w *worker) passed(marks []byte) bool {
	rd := schemas.NewReader(marks)
	for len(rd.Rest()) > 0 {
		pos, _ := topics.PositionFrom(rd.Fixed(topics.PositionSize))
		if at, ok := w.reached[rd.String()]; ok && rd.Err() == nil && at.Position.Compare(pos) >= 0 {
			return true
		}
	}
	return false
}
