package ingest

import (
	"context"
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
	var said topics.Said
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
		cfg.Log.WithLevel(said.Level(err, time.Now())).Err(err).Str("system", cfg.System.Name).Dur("retry_in", wait).Msg("capture interrupted; it is tried again until it works")
		if cfg.Meter != nil {
			for _, s := range cfg.System.Streams {
				cfg.Meter.Failed(s.ID())
			}
		}
		if cfg.Observer != nil {
			cfg.Observer.Interrupted(err)
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
	if cfg.Observer != nil {
		cfg.Observer.Connected(contracts)
	}
	if cfg.Owned != nil {
		if err := cfg.Owned(ctx); err != nil {
			return err
		}
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
	c := &capture{source: source, w: w, conn: conn, requests: cfg.Requests}
	defer cfg.Requests.Watch(func() { c.look.Store(true) })()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.run(ctx) })
	g.Go(func() error { return c.run(ctx) })
	return g.Wait()
}

// producer makes the connection's transactional producer, which fences its predecessor before
// the slot is opened (I14).
func producer(ctx context.Context, cfg Config) (*kgo.Client, error) {
	cl, err := cfg.Cluster.Client(
		kgo.TransactionalID(string(cfg.Names)+".ingest."+cfg.System.Name),
		kgo.TransactionTimeout(10*time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
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

// frameValue begins a value with the frame of a schema.
func frameValue(id int) []byte { return schemas.AppendFrame(nil, id) }
