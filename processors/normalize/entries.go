package normalize

import (
	"fmt"
	"slices"

	"tributary/processors"
	"tributary/schemas"
	"tributary/topics"
)

// An entry says that a source row contributes to an entity, or that it is held there.
type entry struct {
	entity, block, id string
	letter            string // the dead letter that holds the row there; "" where it contributes
}

func (e entry) held() bool { return e.letter != "" }

// Avro schema of the values of state.keys: what a source row contributed to last.
const KeysSchema = `{"type":"record","name":"SourceRow","namespace":"tributary","fields":[{"name":"entries","type":{"type":"array","items":{"type":"record","name":"Entry","fields":[{"name":"entity","type":"string"},{"name":"block","type":"string"},{"name":"id","type":"string"},{"name":"letter","type":"string"}]}}}]}`

func appendEntries(dst []byte, entries []entry) []byte {
	if len(entries) > 0 {
		dst = schemas.AppendLong(dst, int64(len(entries)))
		for _, e := range entries {
			dst = schemas.AppendString(schemas.AppendString(schemas.AppendString(dst, e.entity), e.block), e.id)
			dst = schemas.AppendString(dst, e.letter)
		}
	}
	return append(dst, 0)
}

func decodeEntries(body []byte) (out []entry, err error) {
	r := schemas.NewReader(body)
	for n := r.Long(); n > 0; n = r.Long() {
		for ; n > 0 && r.Err() == nil; n-- {
			out = append(out, entry{entity: r.String(), block: r.String(), id: r.String(), letter: r.String()})
		}
	}
	return out, r.Err()
}

// entries gives what a source key contributed to last.
func (w *worker) entries(key []byte) ([]entry, error) {
	if w.known == 0 {
		return nil, nil
	}
	value, ok := w.fresh[string(key)]
	if !ok {
		var err error
		if value, ok, err = w.space.Get(nil, w.space.Key(nil, []byte{spaceKeys}, key)); err != nil || !ok {
			return nil, err
		}
	}
	if value == nil {
		return nil, nil
	}
	entries, err := decodeEntries(value)
	if err != nil {
		return nil, fmt.Errorf("state of a source key: %w", err)
	}
	return entries, nil
}

// setEntries records what a source key contributes to from now on, where that differs, and how
// the dead letters ended that hold it no longer.
func (w *worker) setEntries(r *row, old, new []entry, how topics.Resolution, out *processors.Output) error {
	if slices.Equal(old, new) {
		return nil
	}
	w.resolve(r.record.Key, old, new, how, out)
	key := w.space.Key(nil, []byte{spaceKeys}, r.key)
	topic, partition := w.keysTopic(), w.space.Partition
	if len(new) == 0 {
		w.known--
		w.fresh[string(r.key)] = nil
		out.Add(topic, partition, r.record.Key, nil)
		return w.batch.Delete(key, nil)
	}
	if len(old) == 0 {
		w.known++
	}
	value := appendEntries([]byte{}, new)
	w.fresh[string(r.key)] = value
	out.Add(topic, partition, r.record.Key, append(w.cfg.Keys.Value(nil), value...))
	return w.batch.Set(key, value, nil)
}
