package normalize

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
	"tributary/processors"
	"tributary/processors/state"
	"tributary/schemas"
	"tributary/schemas/registry"
	"tributary/topics"
)

// Config says what normalize needs for one stream.
type Config struct {
	Names      topics.Names
	Stream     *mesh.Stream
	Targets    []Target
	Generation uint32
	Partitions int32 // of the contributions topics
	Cluster    *topics.Cluster
	Store      *state.Store
	Schemas    SchemaSource
	Keys       topics.Frame // of state.keys
	Log        zerolog.Logger
	// DeadLettered counts rows that went to the dead letters.
	DeadLettered func()
}

// A Target is one block that the stream contributes to.
type Target struct {
	Codec *schemas.EntityCodec
	Block *mesh.Block
	Topic string       // contributions
	Frame topics.Frame // of Topic
}

// A SchemaSource gives the schemas of the raw topics; the registry's client is one.
type SchemaSource interface {
	Schema(ctx context.Context, id int) (string, error)
	Latest(ctx context.Context, subject string) (registry.Registered, error)
}

// The first byte of the state's keys behind the space.
const spaceKeys = 'k' // then the body of the source key: what the row contributed to

// A worker normalizes one partition of a raw topic.
type worker struct {
	cfg   Config
	space *state.Space
	batch *pebble.Batch
	fresh map[string][]byte // keys records that the batch holds; nil: removed
	known int64             // keys records in state and fresh
	plans planCache
	last  struct { // the delete that was met last: its tombstone says the same again
		key []byte
		pos topics.Position
	}
	contribution schemas.Contribution
	replay       replay
	letters      zerolog.Logger // the dead-letter topic holds all; the log tells the first ones
}

// A stream whose rows all fail would fill the log.
const (
	loggedLetters = 10
	lettersPeriod = time.Minute
)

// Open makes the worker of a raw partition; state.keys is read to its end before raw (I14).
func Open(ctx context.Context, cfg Config, partition int32) (processors.Worker, error) {
	w := &worker{cfg: cfg, fresh: map[string][]byte{},
		letters: cfg.Log.Sample(&zerolog.BurstSampler{Burst: loggedLetters, Period: lettersPeriod})}
	w.plans.init(&w.cfg)
	var err error
	subject := fmt.Sprintf("normalize.%s.g%d", cfg.Stream.ID(), cfg.Generation)
	if w.space, err = cfg.Store.Space(subject, partition); err != nil {
		return nil, err
	}
	if err := w.resume(ctx); err != nil {
		return nil, fmt.Errorf("resume %s: %w", subject, err)
	}
	w.batch = w.space.Batch()
	return w, nil
}

func (w *worker) keysTopic() string { return w.cfg.Names.Keys(w.cfg.Stream.ID(), w.cfg.Generation) }

// resume brings the state of the source keys up to the topic's end.
func (w *worker) resume(ctx context.Context) error {
	from, err := w.space.Offset("keys")
	if err != nil {
		return err
	}
	batch := w.space.Batch()
	end, err := w.cfg.Cluster.ReadPartitionToEnd(ctx, w.keysTopic(), w.space.Partition, from, func(r *kgo.Record) error {
		_, body, err := schemas.Unframe(r.Key)
		if err != nil {
			return err
		}
		key := w.space.Key(nil, []byte{spaceKeys}, body)
		if r.Value == nil {
			return batch.Delete(key, nil)
		}
		_, value, err := schemas.Unframe(r.Value)
		if err != nil {
			return err
		}
		return batch.Set(key, value, nil)
	})
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := w.space.SetOffset(batch, "keys", end); err != nil {
		return err
	}
	if err := w.space.Commit(batch); err != nil {
		return err
	}
	it, err := w.space.Iter([]byte{spaceKeys})
	if err != nil {
		return err
	}
	for it.First(); it.Valid(); it.Next() {
		w.known++
	}
	return errors.Join(it.Error(), it.Close())
}

// Begin implements processors.Worker.
func (w *worker) Begin() (int64, bool) { return -1, true }

// Close implements processors.Worker.
func (w *worker) Close() error { return w.batch.Close() }

// Reached implements processors.Worker: nothing waits for the frontier here.
func (w *worker) Reached(context.Context, map[string]topics.Watermark, *processors.Output) error {
	return nil
}

// Committed implements processors.Worker.
func (w *worker) Committed(ends *topics.Ends) error {
	if err := w.space.SetOffset(w.batch, "keys", ends.Of(w.keysTopic())[w.space.Partition]); err != nil {
		return err
	}
	if err := w.space.Commit(w.batch); err != nil {
		return err
	}
	w.batch = w.space.Batch()
	clear(w.fresh)
	return nil
}

// Apply implements processors.Worker.
func (w *worker) Apply(ctx context.Context, b processors.Batch, out *processors.Output) (int64, error) {
	for _, r := range b.Records {
		if err := w.record(ctx, r, out); err != nil {
			return 0, fmt.Errorf("offset %d: %w", r.Offset, err)
		}
	}
	return b.Next, nil
}

// Pending implements processors.Worker.
func (w *worker) Pending() bool { return false }

// record turns one raw record into what it means for each of the stream's blocks.
func (w *worker) record(ctx context.Context, rec *kgo.Record, out *processors.Output) error {
	pos, ok := topics.PositionFrom(topics.Header(rec, topics.HeaderPosition))
	if !ok {
		return w.unreadable(rec, errNoPosition, out)
	}
	reader, key, err := w.plans.keyOf(ctx, rec.Key)
	if err != nil {
		return w.unreadable(rec, err, out)
	}
	r := &row{record: rec, position: pos, key: key}
	if r.sourceKey, err = reader.SourceKey(key); err != nil {
		return w.unreadable(rec, err, out)
	}
	if rec.Value == nil {
		if bytes.Equal(w.last.key, key) && w.last.pos == pos {
			return nil // its delete was met just before
		}
		return w.deleted(ctx, r, nil, out)
	}
	p, body, err := w.plans.valueOf(ctx, rec.Value)
	if err != nil {
		return w.holdWhole(ctx, r, err, out)
	}
	if err := p.envelope.Read(body, &p.row); err != nil {
		return w.holdWhole(ctx, r, err, out)
	}
	if p.row.After == nil {
		w.last.key, w.last.pos = append(w.last.key[:0], key...), pos
		return w.deleted(ctx, r, p, out)
	}
	return w.changed(r, p, out)
}

var errNoPosition = errors.New("the record has no " + topics.HeaderPosition + " header: something other than Tributary wrote it")

// A row is one raw record at hand.
type row struct {
	record    *kgo.Record
	position  topics.Position
	key       []byte // Avro body
	sourceKey string
}
