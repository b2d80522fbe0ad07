package resolve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
	"tributary/processors"
	"tributary/processors/resolve/rules"
	"tributary/processors/state"
	"tributary/schemas"
	"tributary/topics"
)

// Config says what resolve needs for one generation of an entity.
type Config struct {
	Names      topics.Names
	Codec      *schemas.EntityCodec
	Generation uint32
	Partitions int32
	Cluster    *topics.Cluster
	Store      *state.Store
	Frames     Frames
	Log        zerolog.Logger
	// Repaired counts contributions that came after a newer one of their key (I13).
	Repaired func()
	// Tallied is told what a partition holds, each time that it changed; nil: the partition is
	// no longer this process's.
	Tallied func(partition int32, t *Tally)
	// Loaded says that the view was complete before: field changes are recorded from then on.
	Loaded func(partition int32) bool
	Tuning Tuning
}

// Tuning holds what tests set smaller; zero values are defaults.
type Tuning struct {
	// Backlog is how many records a partition must be behind to go on silently, for up to
	// MaxSilent records at a time, so that an entity with many contributions is published once.
	Backlog, MaxSilent int64 // 5,000 and 200,000
	// BatchBytes bounds the state that one transaction of a silent replay's end changes (I14).
	BatchBytes int // 4 MiB
}

func (t *Tuning) ensureDefaults() {
	if t.Backlog == 0 {
		t.Backlog = 5_000
	}
	if t.MaxSilent == 0 {
		t.MaxSilent = 200_000
	}
	if t.BatchBytes == 0 {
		t.BatchBytes = 4 << 20
	}
}

// Frames are the frames of the topics that resolve writes.
type Frames struct{ View, Conflicts, Changes, Contributions topics.Frame }

// The first byte of the state's keys behind the space.
const (
	spaceEntities = 'e' // then Avro id, then 0 for the published view or 1 and the contribution's key
	spaceTouched  = 't' // then Avro id: applied silently, to be resolved at the end of the replay
	spaceDeleted  = 'd' // then Avro id: gone, its tombstone waits for the frontier
)

const (
	keyPublished  = 0
	keyRow        = 1
	keyIncomplete = 2
)

// A worker resolves one partition of contributions.
type worker struct {
	cfg   Config
	topic string // of the view
	input string // topic
	space *state.Space
	rules *rules.Rules
	codec *schemas.EntityCodec

	batch    *pebble.Batch
	begin    int64
	silentTo int64 // input offset up to which contributions are applied without publishing
	applied  int64 // newest input offset that was applied
	draining bool  // entities touched silently are being resolved
	waiting  waiting
	loaded   bool
	reached  map[string]topics.Watermark
	tally    Tally    // with what the batch at hand changes
	values   [][]byte // reused
	told     Tally    // as the state holds it

	res resolver
}

// Open makes the worker of a partition: it brings the published views up to the topic's end
// (I14, resume) and finds where contributions go on.
func Open(ctx context.Context, cfg Config, partition int32) (processors.Worker, error) {
	entity := cfg.Codec.Entity
	cfg.Tuning.ensureDefaults()
	w := &worker{cfg: cfg, codec: cfg.Codec, rules: rules.Compile(cfg.Codec),
		topic:   cfg.Names.ViewOf(entity.Name, cfg.Generation),
		input:   cfg.Names.Contributions(entity.Name, cfg.Generation),
		reached: map[string]topics.Watermark{}, loaded: cfg.Loaded(partition)}
	var err error
	subject := fmt.Sprintf("resolve.%s.g%d", entity.Name, cfg.Generation)
	if w.space, err = cfg.Store.Space(subject, partition); err != nil {
		return nil, err
	}
	w.res.init(w)
	if err := w.loadTally(); err != nil {
		return nil, err
	}
	if err := w.resume(ctx); err != nil {
		return nil, fmt.Errorf("resume %s: %w", subject, err)
	}
	w.batch = w.space.Batch()
	w.tell()
	return w, nil
}

// Begin implements processors.Worker: contributions are read from the state's offset, not from
// the group's (I14).
func (w *worker) Begin() (int64, bool) { return w.begin, w.begin >= w.silentTo && !w.draining }

// Close implements processors.Worker.
func (w *worker) Close() error {
	w.cfg.Tallied(w.space.Partition, nil)
	return w.batch.Close()
}

// Committed implements processors.Worker: the state follows the commit (I14).
func (w *worker) Committed(ends *topics.Ends) error {
	q := w.space.Partition
	if err := w.space.SetOffset(w.batch, "view", ends.Of(w.topic)[q]); err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return err
	}
	w.waiting.settled()
	return nil
}

// A contribution record of the batch at hand.
type incoming struct {
	key    []byte // Avro body of the contribution's key
	record *kgo.Record
}

// Apply implements processors.Worker. A backlog is applied silently, and then each entity that
// it touched is resolved once: the same way as a resume (I14).
func (w *worker) Apply(ctx context.Context, b processors.Batch, out *processors.Output) (int64, error) {
	before := out.Len()
	if b.Next >= 0 {
		if err := w.take(b, out); err != nil {
			return 0, err
		}
	}
	if w.silentTo > 0 && w.applied+1 >= w.silentTo {
		w.silentTo, w.draining = 0, true
	}
	if !w.silent() {
		return w.applied + 1, nil
	}
	if w.silentTo > 0 || out.Len() > before {
		return -1, nil // repairs (I13) are committed with the state that they are of
	}
	more, err := w.res.touched(ctx, out)
	if err == nil && out.Len() == before {
		err = w.settle() // no transaction follows that would commit it
	}
	if err != nil || more {
		return -1, err
	}
	w.draining = false
	return w.applied + 1, nil
}

// take applies contributions.
func (w *worker) take(b processors.Batch, out *processors.Output) error {
	if !w.silent() && b.End-b.Next > w.cfg.Tuning.Backlog {
		w.silentTo = min(b.End, b.Next+w.cfg.Tuning.MaxSilent)
	}
	in := make([]incoming, 0, len(b.Records))
	for _, r := range b.Records {
		_, key, err := schemas.Unframe(r.Key)
		if err != nil {
			return fmt.Errorf("%s partition %d offset %d: key: %w", r.Topic, r.Partition, r.Offset, err)
		}
		in = append(in, incoming{key, r})
	}
	// In order of their keys an entity's contributions lie together, here and in the state.
	slices.SortStableFunc(in, func(a, b incoming) int { return bytes.Compare(a.key, b.key) })
	w.applied = max(w.applied, b.Next-1)
	if !w.silent() {
		return w.res.entities(in, out)
	}
	before := out.Len()
	if err := w.res.silently(in, out); err != nil || out.Len() > before {
		return err
	}
	return w.settle()
}

// silent says that what comes is only applied: what is still to be resolved must see it.
func (w *worker) silent() bool { return w.silentTo > 0 || w.draining }

// Pending implements processors.Worker.
func (w *worker) Pending() bool { return w.draining }

// settle commits the batch to the state. That of a silent replay publishes nothing, so the state
// may hold it at once.
func (w *worker) settle() error {
	if err := w.space.SetOffset(w.batch, "input", w.applied+1); err != nil {
		return err
	}
	if err := w.commit(w.batch); err != nil {
		return err
	}
	w.batch = w.space.Batch()
	return nil
}

// Reached implements processors.Worker: tombstones that the frontier has passed are published
// with its claim.
func (w *worker) Reached(_ context.Context, moved map[string]topics.Watermark, out *processors.Output) error {
	for stream, mark := range moved {
		w.reached[stream] = mark
	}
	w.loaded = w.loaded || len(w.reached) == len(w.codec.Entity.Streams())
	if w.waiting.count == 0 {
		return nil
	}
	due, err := w.waiting.due()
	if err != nil {
		return err
	}
	for _, prefix := range due {
		if err := w.res.tombstone(prefix, out); err != nil {
			return err
		}
		if err := w.waiting.remove(prefix); err != nil {
			return err
		}
	}
	return nil
}

// resume reads what was published behind the state's offset, and sets where contributions go on.
func (w *worker) resume(ctx context.Context) error {
	from, err := w.space.Offset("view")
	if err != nil {
		return err
	}
	q := w.space.Partition
	batch := w.space.Batch()
	published := from > 0
	seen := map[string]int64{} // conflicts of what the batch holds
	end, err := w.cfg.Cluster.ReadPartitionToEnd(ctx, w.topic, q, from, func(r *kgo.Record) error {
		published = true
		if err := w.remember(batch, r, from > 0, seen); err != nil {
			return err
		}
		if batch.Len() < 4<<20 {
			return nil
		}
		full := batch
		batch = w.space.Batch()
		clear(seen)
		return w.commit(full)
	})
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := w.space.SetOffset(batch, "view", end); err != nil {
		return err
	}
	if err := w.commit(batch); err != nil {
		return err
	}
	if from == 0 {
		if err := w.countAll(); err != nil {
			return err
		}
	}
	if w.begin, err = w.space.Offset("input"); err != nil {
		return err
	}
	w.applied = w.begin - 1
	if err := w.waiting.open(w); err != nil {
		return err
	}
	ends, err := w.cfg.Cluster.Ends(ctx, w.input)
	if err != nil {
		return err
	}
	if published && w.begin < ends[q] {
		w.silentTo = ends[q]
	}
	touched, err := w.space.Iter([]byte{spaceTouched})
	if err != nil {
		return err
	}
	w.draining = w.silentTo == 0 && touched.First()
	return errors.Join(touched.Error(), touched.Close())
}

// remember keeps a view record as the last one published of its entity, and counts its conflicts
// where counted says so.
func (w *worker) remember(batch *pebble.Batch, r *kgo.Record, counted bool, seen map[string]int64) error {
	_, key, err := schemas.Unframe(r.Key)
	if err != nil {
		return err
	}
	full := w.space.Key(nil, []byte{spaceEntities}, key, []byte{keyPublished})
	value := append([]byte{0}, topics.Header(r, topics.HeaderVersion)...)
	if r.Value != nil {
		_, body, err := schemas.Unframe(r.Value)
		if err != nil {
			return err
		}
		value = append([]byte{1}, body...)
	}
	if counted {
		if err := w.recount(full, value, seen); err != nil {
			return err
		}
	}
	return batch.Set(full, value, nil)
}

// blockIndex finds a block by the stream and name in a contribution's key.
func blockIndex(e *mesh.Entity, k schemas.ContributionKey) int {
	for i, b := range e.Contributions {
		if b.Name == k.Block && b.From.ID() == k.Stream {
			return i
		}
	}
	return -1
}
