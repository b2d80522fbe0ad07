package resolve

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/processors/resolve/rules"
	"tributary/schemas"
	"tributary/topics"
)

// A resolver computes the views of a worker's entities. Its buffers are reused between entities.
type resolver struct {
	*worker
	it    *pebble.Iterator // over the state as it was before the batch at hand
	cands []rules.Candidate
	view  schemas.View
	old   published
	body  []byte
	key   []byte
	last  []mark // where the entity's newest records of this batch stand
}

// A mark is where a record stands in its stream.
type mark struct {
	stream   string
	position topics.Position
}

func (r *resolver) init(w *worker) { r.worker = w }

// entities applies contributions, which are in order of their keys, and resolves each entity
// that they touch, once.
func (r *resolver) entities(in []incoming, out *processors.Output) error {
	if len(in) == 0 {
		return nil
	}
	var err error
	if r.it, err = r.space.Iter([]byte{spaceEntities}); err != nil {
		return err
	}
	defer func() { r.it.Close() }()
	return r.each(in, func(id string, prefix []byte, in []incoming) error { return r.entity(id, prefix, in, out) })
}

// each calls fn with the contributions of each entity.
func (r *resolver) each(in []incoming, fn func(id string, prefix []byte, in []incoming) error) error {
	for len(in) > 0 {
		id, prefix, err := entityOf(in[0].key)
		if err != nil {
			return fmt.Errorf("%s partition %d offset %d: key: %w", r.input, r.space.Partition, in[0].record.Offset, err)
		}
		n := 1
		for n < len(in) && bytes.HasPrefix(in[n].key, prefix) {
			n++
		}
		if err := fn(id, prefix, in[:n]); err != nil {
			return fmt.Errorf("%s %q: %w", r.codec.Entity.Name, id, err)
		}
		in = in[n:]
	}
	return nil
}

// silently applies contributions and only notes which entities they touch.
func (r *resolver) silently(in []incoming, out *processors.Output) error {
	return r.each(in, func(_ string, prefix []byte, in []incoming) error {
		for len(in) > 0 {
			n := sameKey(in)
			r.key = r.space.Key(r.key[:0], []byte{spaceEntities}, prefix, []byte{keyRow}, in[0].key[len(prefix):])
			stored, known, err := r.space.Get(r.body[:0], r.key)
			if err != nil {
				return err
			}
			r.body = stored
			if !known {
				stored = nil
			}
			newest, err := r.newest(stored, in[:n], out)
			if err != nil {
				return err
			}
			if err := r.batch.Set(r.key, newest, nil); err != nil {
				return err
			}
			in = in[n:]
		}
		return r.batch.Set(r.space.Key(r.key[:0], []byte{spaceTouched}, prefix), nil, nil)
	})
}

// entity merges an entity's state with what came and publishes its view if that changed.
func (r *resolver) entity(id string, prefix []byte, in []incoming, out *processors.Output) error {
	r.cands, r.last = r.cands[:0], r.last[:0]
	r.old = published{values: r.old.values[:0]}
	if err := r.merge(prefix, in, len(in) == 0, out); err != nil {
		return err
	}
	if id == "" {
		return nil // held rows of unknown entities stand here
	}
	return r.publish(id, prefix, out)
}

// merge walks the entity's state and the incoming records, both in order of their keys: the
// newest position of each key counts (I2). After a replay all that is stored may be new.
func (r *resolver) merge(prefix []byte, in []incoming, replayed bool, out *processors.Output) error {
	r.key = r.space.Key(r.key[:0], []byte{spaceEntities}, prefix)
	begin := len(r.key)
	ok := r.it.SeekGE(r.key)
	for ; ok && bytes.HasPrefix(r.it.Key(), r.key[:begin]); ok = r.it.Next() {
		rest := r.it.Key()[begin:]
		if len(rest) == 1 && rest[0] == keyPublished {
			if err := r.readPublished(r.it.Value()); err != nil {
				return err
			}
			continue
		}
		if len(rest) == 1 && rest[0] == keyIncomplete {
			r.old.incomplete = true
			continue
		}
		stored := append([]byte(nil), r.it.Value()...)
		if replayed {
			r.note(rest[1:], stored)
		}
		for len(in) > 0 && bytes.Compare(in[0].key[len(prefix):], rest[1:]) < 0 {
			n := sameKey(in)
			if err := r.take(nil, in[:n], prefix, out); err != nil {
				return err
			}
			in = in[n:]
		}
		n := 0
		if len(in) > 0 && bytes.Equal(in[0].key[len(prefix):], rest[1:]) {
			n = sameKey(in)
		}
		if n == 0 {
			if err := r.candidate(append([]byte(nil), rest[1:]...), stored); err != nil {
				return err
			}
			continue
		}
		if err := r.take(stored, in[:n], prefix, out); err != nil {
			return err
		}
		in = in[n:]
	}
	if err := r.it.Error(); err != nil {
		return err
	}
	for len(in) > 0 {
		n := sameKey(in)
		if err := r.take(nil, in[:n], prefix, out); err != nil {
			return err
		}
		in = in[n:]
	}
	return nil
}

func sameKey(in []incoming) int {
	n := 1
	for n < len(in) && bytes.Equal(in[n].key, in[0].key) {
		n++
	}
	return n
}

// take applies records of one contribution's key to what is stored under it (nil: nothing).
func (r *resolver) take(stored []byte, in []incoming, prefix []byte, out *processors.Output) error {
	newest, err := r.newest(stored, in, out)
	if err != nil {
		return err
	}
	rest := in[0].key[len(prefix):]
	if err := r.batch.Set(r.space.Key(nil, []byte{spaceEntities}, prefix, []byte{keyRow}, rest), newest, nil); err != nil {
		return err
	}
	r.note(rest, newest)
	return r.candidate(rest, newest)
}

// newest gives what counts of a contribution's key: the newest of what is stored (nil: nothing)
// and of the records, which are in the order in which they were appended (I2).
func (r *resolver) newest(stored []byte, in []incoming, out *processors.Output) ([]byte, error) {
	newest := stored
	for _, inc := range in {
		value, err := storedValue(inc.record)
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", inc.record.Offset, err)
		}
		if newest != nil && bytes.Compare(positionOf(value), positionOf(newest)) < 0 {
			r.repair(inc.record, newest, out)
			continue
		}
		newest = value
	}
	return newest, nil
}

// note keeps where the newest record of each stream in this batch stands: a tombstone of the
// view waits for all of them.
func (r *resolver) note(rest, stored []byte) {
	rd := schemas.NewReader(rest)
	stream := rd.String()
	pos, _ := topics.PositionFrom(positionOf(stored))
	for i := range r.last {
		if r.last[i].stream == stream {
			if pos.Compare(r.last[i].position) > 0 {
				r.last[i].position = pos
			}
			return
		}
	}
	r.last = append(r.last, mark{stream, pos})
}

// repair appends the newest record of a key again behind an older one, so that compaction keeps
// the newest (I13).
func (r *resolver) repair(late *kgo.Record, newest []byte, out *processors.Output) {
	r.cfg.Repaired()
	if newest[0] == 0 {
		out.Add(late.Topic, late.Partition, late.Key, nil, kgo.RecordHeader{Key: topics.HeaderPosition, Value: positionOf(newest)})
		return
	}
	out.Add(late.Topic, late.Partition, late.Key, append(r.cfg.Frames.Contributions.Value(nil), newest[1:]...))
}

// candidate adds a live contribution.
func (r *resolver) candidate(rest, stored []byte) error {
	if stored[0] == 0 {
		return nil
	}
	rd := schemas.NewReader(rest)
	key := schemas.ContributionKey{Stream: rd.String(), Block: rd.String(), SourceKey: rd.String(), Kind: rd.String()}
	if rd.Err() != nil {
		return rd.Err()
	}
	n := len(r.cands)
	if n < cap(r.cands) {
		r.cands = r.cands[:n+1]
	} else {
		r.cands = append(r.cands, rules.Candidate{})
	}
	c := &r.cands[n]
	c.SourceKey = key.SourceKey
	if c.Block = blockIndex(r.codec.Entity, key); c.Block < 0 {
		r.cands = r.cands[:n] // of a block that this generation does not have
		return nil
	}
	return r.codec.DecodeContribution(stored[1:], &c.C)
}

// touched resolves entities that were touched silently, and publishes those that differ from
// what was published last (I3), as many as one transaction may hold. It says whether there are
// more.
func (r *resolver) touched(ctx context.Context, out *processors.Output) (more bool, err error) {
	touched, err := r.space.Iter([]byte{spaceTouched})
	if err != nil {
		return false, err
	}
	defer touched.Close()
	if r.it, err = r.space.Iter([]byte{spaceEntities}); err != nil {
		return false, err
	}
	defer func() { r.it.Close() }()
	begin := len(r.space.Key(nil, []byte{spaceTouched}))
	for touched.First(); touched.Valid(); touched.Next() {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if r.batch.Len() > r.cfg.Tuning.BatchBytes {
			return true, nil
		}
		prefix := append([]byte(nil), touched.Key()[begin:]...)
		id, _, err := entityOf(prefix)
		if err != nil {
			return false, err
		}
		if err := r.entity(id, prefix, nil, out); err != nil {
			return false, fmt.Errorf("%s %q: %w", r.codec.Entity.Name, id, err)
		}
		if err := r.batch.Delete(touched.Key(), nil); err != nil {
			return false, err
		}
	}
	return false, touched.Error()
}
