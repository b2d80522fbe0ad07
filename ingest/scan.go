package ingest

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// deleteLive writes a delete at pos for each live key of the stream's raw topic whose newest
// record has an epoch below before: what a completed snapshot did not repeat (I5), or with
// before beyond the current epoch every key, for a TRUNCATE. Everything handed over must be
// committed. Only the last delete lets a restart begin behind pos.
func (w *writer) deleteLive(ctx context.Context, s *stream, pos topics.Position, before uint32, at time.Time, reason string) (int, error) {
	deleted := 0
	for p := range w.conn.cfg.Partitions {
		n, err := w.deletePartition(ctx, s, p, pos, before, at, reason)
		if err != nil {
			return deleted, fmt.Errorf("delete what is gone from %s: %w", s.decl.ID(), err)
		}
		deleted += n
	}
	return deleted, nil
}

// deletePartition keeps the newest epoch of each key in a scratch store, so that memory does not
// grow with the table (I8).
func (w *writer) deletePartition(ctx context.Context, s *stream, partition int32, pos topics.Position, before uint32, at time.Time, reason string) (int, error) {
	dir, err := os.MkdirTemp(w.conn.cfg.Dir, "scan-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	db, err := pebble.Open(dir, &pebble.Options{DisableWAL: true, Logger: quiet{}})
	if err != nil {
		return 0, err
	}
	defer db.Close()
	_, err = w.conn.cfg.Cluster.ReadPartitionToEnd(ctx, s.topic, partition, 0, func(r *kgo.Record) error {
		epoch, live := recordEpoch(r)
		if !live || epoch >= before {
			return db.Delete(r.Key, pebble.NoSync)
		}
		return db.Set(r.Key, nil, pebble.NoSync)
	})
	if err != nil {
		return 0, err
	}
	it, err := db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		key := append([]byte(nil), it.Key()...)
		value := s.contract.Delete(frameValue(s.ids.Value), at)
		c := Change{Stream: s.index, Op: OpDelete, Key: key, Value: value, Reason: reason}
		if err := w.add(ctx, s, pos, c, false); err != nil {
			return n, err
		}
		n++
	}
	return n, it.Error()
}

func recordEpoch(r *kgo.Record) (epoch uint32, live bool) {
	pos, ok := topics.PositionFrom(topics.Header(r, topics.HeaderPosition))
	return pos.Epoch(), ok && len(r.Value) > 0
}

// truncate deletes every key of a stream at the position of its TRUNCATE.
func (w *writer) truncate(ctx context.Context, s *stream, pos topics.Position, at time.Time) error {
	if err := w.drain(ctx); err != nil {
		return err
	}
	if _, err := w.deleteLive(ctx, s, pos, s.state.Epoch+1, at, "truncate"); err != nil {
		return err
	}
	b, err := w.lock(ctx)
	if err != nil {
		return err
	}
	defer w.unlock()
	b.touched[s.index] = pos
	return nil
}

// quiet keeps the scratch store from logging.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("scratch store: "+format, args...))
}
