package resolve

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/schemas"
	"tributary/topics"
)

// publish resolves the entity from its candidates and writes what differs from the last
// published record.
func (r *resolver) publish(id string, prefix []byte, out *processors.Output) error {
	outcome := r.rules.Resolve(id, r.cands, &r.view)
	if err := r.countIncomplete(prefix, outcome.Exists && !outcome.Complete); err != nil {
		return err
	}
	if !outcome.Complete {
		if !r.old.live {
			return nil
		}
		return r.waiting.add(prefix, r.last)
	}
	if err := r.waiting.remove(prefix); err != nil {
		return err
	}
	r.version()
	r.body = r.codec.AppendView(append(r.body[:0], 1), &r.view)
	if r.same() {
		return nil
	}
	if err := r.history(id, &r.view, out); err != nil {
		return err
	}
	out.Add(r.topic, r.space.Partition, schemas.AppendViewKey(r.cfg.Frames.View.Key(nil), id),
		append(r.cfg.Frames.View.Value(make([]byte, 0, len(r.body)+schemas.FrameSize)), r.body[1:]...))
	return r.batch.Set(r.space.Key(nil, []byte{spaceEntities}, prefix, []byte{keyPublished}), r.body, nil)
}

// version gives the view its version (I9): the newest contribution's offset, or the published
// version with n + 1 where that is not higher.
func (r *resolver) version() {
	m := &r.view.Meta
	m.Generation, m.Partition, m.Offset, m.N = r.cfg.Generation, r.space.Partition, r.applied, 0
	if old := r.old.version; r.old.known && old.Offset >= m.Offset {
		m.Offset, m.N = old.Offset, old.N+1
	}
}

// same says whether the view equals the published one, its version left out.
func (r *resolver) same() bool {
	if !r.old.live {
		return false
	}
	values := len(r.old.raw) - len(r.old.meta)
	newMeta := r.body[min(values, len(r.body)):]
	if !bytes.Equal(r.old.raw[:values], r.body[:min(values, len(r.body))]) {
		return false
	}
	a, errA := schemas.VersionEnd(r.old.meta)
	b, errB := schemas.VersionEnd(newMeta)
	return errA == nil && errB == nil && bytes.Equal(r.old.meta[a:], newMeta[b:])
}

// tombstone publishes the end of an entity.
func (r *resolver) tombstone(prefix []byte, out *processors.Output) error {
	id, _, err := entityOf(prefix)
	if err != nil {
		return err
	}
	key := r.space.Key(nil, []byte{spaceEntities}, prefix, []byte{keyPublished})
	raw, known, err := r.space.Get(nil, key)
	if err != nil || !known {
		return err
	}
	r.old = published{values: r.old.values[:0]}
	if err := r.readPublished(raw); err != nil || !r.old.live {
		return err
	}
	r.version()
	if err := r.history(id, nil, out); err != nil {
		return err
	}
	version := schemas.AppendVersion(nil, &r.view.Meta)
	out.Add(r.topic, r.space.Partition, schemas.AppendViewKey(r.cfg.Frames.View.Key(nil), id), nil,
		kgo.RecordHeader{Key: topics.HeaderVersion, Value: version})
	return r.batch.Set(key, append([]byte{0}, version...), nil)
}
