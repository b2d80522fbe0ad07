package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"tributary/mesh"
	"tributary/processors/normalize"
	"tributary/schemas"
	"tributary/schemas/registry"
	"tributary/topics"
)

// A steadyLoad updates single rows at the steady rate.
type steadyLoad struct {
	three *three
	done  atomic.Int64 // transactions that were acknowledged
}

// run writes for a time. Where the database cannot keep up, what is due waits: the rate that came
// out is measured.
func (l *steadyLoad) run(ctx context.Context, lasts time.Duration) error {
	due := make(chan struct{}, steadyRate)
	g, ctx := errgroup.WithContext(ctx)
	for range writers {
		g.Go(func() error {
			return query(ctx, l.three.url("erp"), func(conn *pgx.Conn) error { return l.write(ctx, conn, due) })
		})
	}
	g.Go(func() error {
		defer close(due)
		return pace(ctx, due, lasts)
	})
	return g.Wait()
}

// write carries out what is due until there is no more.
func (l *steadyLoad) write(ctx context.Context, conn *pgx.Conn, due <-chan struct{}) error {
	for range due {
		var at time.Time
		sku := fmt.Sprintf("SKU-%d", 1+rand.IntN(l.three.entities))
		if err := conn.QueryRow(ctx, touchItem, sku).Scan(&at); err != nil {
			return err
		}
		l.done.Add(1)
	}
	return nil
}

// pace hands out transactions at the steady rate, and catches up where the clock ran ahead.
func pace(ctx context.Context, due chan<- struct{}, lasts time.Duration) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	planned, began := 0, time.Now()
	for time.Since(began) < lasts {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for ; planned < int(time.Since(began).Seconds()*steadyRate); planned++ {
			select {
			case due <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// touched is a consumer of the raw topic that notes, for each change, how long it took from the
// row's own time to here.
type touched struct {
	client *kgo.Client
	reader *normalize.EnvelopeReader
	column int // of changed_at
	ended  sync.WaitGroup
	stop   context.CancelFunc

	mu    sync.Mutex // protects what is below
	took  []time.Duration
	count int64
	fault error
}

// followTouched begins behind what is in the topic.
func followTouched(ctx context.Context, p *process, broker string) (*touched, error) {
	addresses, err := p.Ready(ctx)
	if err != nil {
		return nil, err
	}
	if broker == embeddedKafka {
		broker = addresses["kafka"]
	}
	topic := topics.Names("bench").Raw("erp", "item")
	t := &touched{}
	if err := t.compile(ctx, addresses["registry"], topic); err != nil {
		return nil, err
	}
	cluster, err := topics.NewCluster(mesh.Kafka{}, broker)
	if err != nil {
		return nil, err
	}
	ends, err := cluster.Ends(ctx, topic)
	if err != nil {
		return nil, err
	}
	from := map[int32]kgo.Offset{}
	for partition, end := range ends {
		from[partition] = kgo.NewOffset().At(end)
	}
	t.client, err = cluster.Client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchMaxWait(time.Second), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return nil, err
	}
	ctx, t.stop = context.WithCancel(ctx)
	t.ended.Go(func() { t.follow(ctx) })
	return t, nil
}

// compile makes the reader of the topic's newest schema.
func (t *touched) compile(ctx context.Context, address, topic string) error {
	reg, err := registry.NewClient(address, "", "")
	if err != nil {
		return err
	}
	defer reg.Close()
	latest, err := reg.Latest(ctx, topic+"-value")
	if err != nil {
		return err
	}
	if t.reader, err = normalize.CompileEnvelope(latest.Schema); err != nil {
		return err
	}
	t.column = slices.IndexFunc(t.reader.Columns, func(c normalize.ColumnType) bool { return c.Name == "changed_at" })
	if t.column < 0 {
		return fmt.Errorf("the schema of %s has no column changed_at", topic)
	}
	return nil
}

func (t *touched) follow(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := t.client.PollFetches(ctx)
		now := time.Now()
		t.mu.Lock()
		fetches.EachError(func(topic string, partition int32, err error) {
			if !errors.Is(err, context.Canceled) {
				t.fault = fmt.Errorf("read %s partition %d: %w", topic, partition, err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) {
			at, err := t.at(r)
			if err != nil {
				t.fault = fmt.Errorf("%s partition %d offset %d: %w", r.Topic, r.Partition, r.Offset, err)
				return
			}
			t.count++
			t.took = append(t.took, now.Sub(at))
		})
		t.mu.Unlock()
	}
}

// at reads the row's own time of an envelope: Debezium's ZonedTimestamp, an ISO text.
func (t *touched) at(r *kgo.Record) (time.Time, error) {
	_, body, err := schemas.Unframe(r.Value)
	if err != nil {
		return time.Time{}, err
	}
	var envelope normalize.Envelope
	if err := t.reader.Read(body, &envelope); err != nil {
		return time.Time{}, err
	}
	value := schemas.NewReader(envelope.After[t.column].Value)
	text := value.String()
	if value.Err() != nil {
		return time.Time{}, value.Err()
	}
	return time.Parse(time.RFC3339Nano, text)
}

// await waits until so many changes have been consumed since the last reset.
func (t *touched) await(ctx context.Context, changes int64) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var count int64
	err := poll(ctx, pollEvery, func() (bool, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		count = t.count
		return t.count >= changes, t.fault
	})
	if err != nil {
		return fmt.Errorf("%d of %d changes have come to the raw topic: %w", count, changes, err)
	}
	return nil
}

func (t *touched) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count, t.took = 0, nil
}

func (t *touched) latencies() []time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.took)
}

func (t *touched) close() {
	t.stop()
	t.ended.Wait()
	t.client.Close()
}
