package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"tributary/schemas"
	"tributary/topics"
)

// Run captures a system until ctx ends: a session after another, with growing pauses while the
// source or Kafka is down (I7). It returns ctx's error.
func Run(ctx context.Context, cfg Config) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	for {
		began := time.Now()
		err := session(ctx, cfg)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		cfg.Log.Warn().Err(err).Str("system", cfg.System.Name).Dur("retry_in", wait).Msg("capture interrupted")
		if cfg.Meter != nil {
			for _, s := range cfg.System.Streams {
				cfg.Meter.Failed(s.ID())
			}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// session captures until something fails.
func session(ctx context.Context, cfg Config) error {
	source, err := cfg.Open(ctx)
	if err != nil {
		return err
	}
	if c, ok := source.(interface{ Close() error }); ok {
		defer c.Close()
	}
	contracts, err := source.Discover(ctx)
	if err != nil {
		return err
	}
	cl, err := producer(ctx, cfg)
	if err != nil {
		return err
	}
	defer cl.Close()
	// Positions are read behind the fence: no predecessor writes any more (I14).
	saved, err := topics.ReadPositions(ctx, cfg.Cluster, cfg.Names)
	if err != nil {
		return err
	}
	conn := newConnection(cfg, saved)
	raw := map[string]int32{}
	for _, s := range conn.streams {
		raw[s.topic] = cfg.Partitions
	}
	ends, err := topics.NewEnds(ctx, cl, raw)
	if err != nil {
		return err
	}
	for _, c := range contracts {
		if _, err := conn.register(ctx, c); err != nil {
			return err
		}
	}
	w := newWriter(conn, cl, ends)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.run(ctx) })
	g.Go(func() error { return capture(ctx, source, w) })
	return g.Wait()
}

// producer makes the connection's transactional producer, which fences its predecessor before
// the slot is opened (I14).
func producer(ctx context.Context, cfg Config) (*kgo.Client, error) {
	cl, err := cfg.Cluster.Client(
		kgo.TransactionalID(string(cfg.Names)+".ingest."+cfg.System.Name),
		kgo.TransactionTimeout(10*time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(topics.MaxRecordBytes),
		kgo.MaxBufferedRecords(1<<20), kgo.MaxBufferedBytes(4*batchBytes),
		kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	if _, _, err := cl.ProducerID(ctx); err != nil {
		cl.Close()
		return nil, fmt.Errorf("fence the predecessor of %s in Kafka: %w", cfg.System.Name, err)
	}
	return cl, nil
}

// capture snapshots what has no complete epoch yet, then streams; a lost position begins anew.
func capture(ctx context.Context, source Source, w *writer) error {
	fresh := w.conn.fresh()
	for {
		if fresh {
			if err := firstSnapshot(ctx, source, w); err != nil {
				return err
			}
		}
		resume := w.conn.resumeAt()
		w.durable.Store(&resume)
		err := source.Stream(ctx, resume, w)
		if !errors.Is(err, ErrPositionLost) {
			if err == nil {
				err = errors.New("it ended")
			}
			return fmt.Errorf("stream of %s: %w", w.conn.cfg.System.Name, err)
		}
		w.conn.cfg.Log.Warn().Err(err).Str("system", w.conn.cfg.System.Name).Msg("position lost: a new epoch begins")
		fresh = true
	}
}

// fresh says whether the connection or one of its streams has no complete snapshot.
func (c *connection) fresh() bool {
	if len(c.resume) == 0 {
		return true
	}
	for _, s := range c.streams {
		if s.state.Snapshot != topics.SnapshotDone {
			return true
		}
	}
	return false
}

// firstSnapshot reads every stream of the connection in a new epoch.
func firstSnapshot(ctx context.Context, source Source, w *writer) error {
	req := SnapshotRequest{First: true}
	for i, s := range w.conn.streams {
		req.Streams = append(req.Streams, i)
		w.conn.begin(s)
	}
	// The epoch is on record before its first row is: a later try begins a higher one.
	if err := w.settle(ctx, req.Streams); err != nil {
		return err
	}
	resume, err := source.Snapshot(ctx, req, w)
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", w.conn.cfg.System.Name, err)
	}
	if err := w.drain(ctx); err != nil {
		return err
	}
	for _, s := range w.conn.streams {
		if err := w.finish(ctx, s); err != nil {
			return err
		}
	}
	if err := w.Mark(ctx, Mark{Resume: resume, Major: w.conn.snapshotMajor()}); err != nil {
		return err
	}
	if err := w.settle(ctx, req.Streams); err != nil {
		return err
	}
	w.conn.cfg.Log.Info().Str("system", w.conn.cfg.System.Name).Msg("snapshot complete")
	return nil
}

// begin raises the stream's epoch.
func (c *connection) begin(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.state.Epoch++
	s.state.Snapshot, s.state.Rows = topics.SnapshotRunning, 0
}

func (c *connection) resumeAt() Resume {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume
}

// snapshotMajor is at or behind every row that the snapshot gave and every delete that followed.
func (c *connection) snapshotMajor() (m topics.Major) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		if at := s.state.Position.Major(); at.Compare(m) > 0 {
			m = at
		}
	}
	return m
}

// settle writes the streams' records as they are now and waits for the commit.
func (w *writer) settle(ctx context.Context, streams []int) error {
	if err := w.record(ctx, streams...); err != nil {
		return err
	}
	return w.drain(ctx)
}

// finish deletes what the stream's epoch did not repeat (I5) and marks its snapshot done.
func (w *writer) finish(ctx context.Context, s *stream) error {
	if s.state.Epoch > 1 {
		pos := topics.MakePosition(s.state.Epoch, s.state.Era, s.state.Position.Major(), s.state.Position.Minor())
		n, err := w.deleteLive(ctx, s, pos, s.state.Epoch, time.Now(), "not-repeated")
		if err != nil {
			return err
		}
		if n > 0 {
			w.conn.cfg.Log.Info().Str("stream", s.decl.ID()).Int("rows", n).Msg("deleted what the snapshot did not repeat")
		}
	}
	w.conn.mu.Lock()
	defer w.conn.mu.Unlock()
	s.state.Snapshot = topics.SnapshotDone
	return nil
}

// frameValue begins a value with the frame of a schema.
func frameValue(id int) []byte { return schemas.AppendFrame(nil, id) }
