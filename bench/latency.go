package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

const (
	// steadyRate is P4's number of transactions a second.
	steadyRate = 1_000
	// writers share them; each has a connection.
	writers = 16
	// samplers write a row and ask the gateway for it until it shows, each so many times a second.
	samplers, sampleRate = 5, 2
	// askEvery is how often a sampler asks.
	askEvery = 2 * time.Millisecond
)

// benchLatency is P4 on the embedded broker and on a real Kafka in turn.
func benchLatency(ctx context.Context, r *rig, b *board) (err error) {
	t, err := r.seededThree(ctx, "steady", r.size(20_000, 1_000))
	defer func() { err = errors.Join(err, t.stop()) }()
	if err != nil {
		return err
	}
	lasts := time.Duration(r.size(60, 5)) * time.Second
	b.size = r.sizeText("%s single-row transactions a second for %v over %s entities, from the row's clock_timestamp() on",
		grouped(steadyRate), lasts, grouped(t.entities))
	return r.rounds(b, func(b *board, profiled bool) (err error) {
		if err := r.steady(ctx, b, t, embeddedKafka, "embedded", lasts, profiled); err != nil {
			return fmt.Errorf("embedded: %w", err)
		}
		broker, err := r.startKafka(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, broker.Stop()) }()
		if err := r.steady(ctx, b, t, broker.Addr(), "Kafka", lasts, profiled); err != nil {
			return fmt.Errorf("Kafka: %w", err)
		}
		return nil
	})
}

// steady measures one run on one broker.
func (r *rig) steady(ctx context.Context, b *board, t *three, broker, on string, lasts time.Duration, profiled bool) (err error) {
	if err := t.forget(ctx); err != nil {
		return err
	}
	p, err := r.start(launch{manifest: threeMesh(broker), env: t.env()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.await(ctx); err != nil {
		return err
	}
	if err := checkTotal(ctx, p.gateway, "items", t.entities); err != nil {
		return err
	}
	seen, err := followTouched(ctx, p, broker)
	if err != nil {
		return err
	}
	defer seen.close()
	pr := r.profileIf(ctx, profiled, p, "P4-"+on)
	got, shown, err := t.underLoad(ctx, p, seen, lasts)
	if err := errors.Join(err, pr.report(ctx, b, on)); err != nil {
		return err
	}
	readable := map[string]string{"embedded": "≤ 60", "Kafka": "≤ 150"}[on]
	b.add(on+": transactions a second", "/s", "1,000", float64(got.transactions)/got.wall.Seconds())
	b.add(on+": commit to raw consumer, p50", "ms", "", milliseconds(quantile(seen.latencies(), 0.5)))
	b.add(on+": commit to raw consumer, p99", "ms", "≤ 25", milliseconds(quantile(seen.latencies(), 0.99)))
	b.add(on+": commit to readable at the gateway, p50", "ms", "", milliseconds(quantile(shown, 0.5)))
	b.add(on+": commit to readable at the gateway, p99", "ms", readable, milliseconds(quantile(shown, 0.99)))
	b.add(on+": CPU of tributary", "% of a core", "≤ 20", 100*got.cpu.Seconds()/got.wall.Seconds())
	b.add(on+": CPU of Postgres beside it", "% of a core", "", 100*got.beside.Seconds()/got.wall.Seconds())
	b.add(on+": peak memory without page cache", "MiB", "", mebibytes(got.anonymous))
	return p.Stop()
}

// A steadyReading is what was measured of the process, and the load that it had.
type steadyReading struct {
	reading
	transactions int64
}

// underLoad writes at the steady rate after a warm-up, and gives the times that sampled rows took
// to show at the gateway. It ends when all that was written has been consumed.
func (t *three) underLoad(ctx context.Context, p *process, seen *touched, lasts time.Duration) (got steadyReading, shown []time.Duration, err error) {
	warm := &steadyLoad{three: t}
	if err := warm.run(ctx, lasts/10); err != nil {
		return got, nil, err
	}
	if err := seen.await(ctx, warm.done.Load()); err != nil {
		return got, nil, err
	}
	seen.reset()
	m, err := watch(p.Pid(), time.Now(), t.pids()...)
	if err != nil {
		return got, nil, err
	}
	if err := m.fromNow(); err != nil {
		return got, nil, err
	}
	work := &steadyLoad{three: t}
	var mu sync.Mutex // protects shown
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return work.run(gctx, lasts) })
	for n := range samplers {
		g.Go(func() error {
			took, err := t.sample(gctx, p.gateway, n, lasts)
			mu.Lock()
			defer mu.Unlock()
			shown = append(shown, took...)
			return err
		})
	}
	fault := g.Wait()
	got.reading, err = m.stop()
	if err := errors.Join(fault, err); err != nil {
		return got, nil, err
	}
	got.transactions = work.done.Load() + int64(len(shown))
	return got, shown, seen.await(ctx, got.transactions)
}

// touchItem changes a row and writes into it the time at which that was done, on the clock of
// this machine, which all that measures shares.
const touchItem = "update item set price = price + 0.01, changed_at = clock_timestamp() where sku = $1 returning changed_at"

// sample writes a row, asks the gateway until it shows, and notes how long that took from the
// row's own time on.
func (t *three) sample(ctx context.Context, gateway string, n int, lasts time.Duration) (took []time.Duration, err error) {
	err = query(ctx, t.url("erp"), func(conn *pgx.Conn) error {
		tick := time.NewTicker(time.Second / sampleRate)
		defer tick.Stop()
		for ending := time.Now().Add(lasts); time.Now().Before(ending); {
			sku := fmt.Sprintf("SKU-%d", 1+(n+samplers*rand.IntN(t.entities))%t.entities)
			var at time.Time
			if err := conn.QueryRow(ctx, touchItem, sku).Scan(&at); err != nil {
				return err
			}
			if err := awaitTouched(ctx, gateway, sku, at); err != nil {
				return err
			}
			took = append(took, time.Since(at))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return took, err
}

// awaitTouched asks until the gateway shows what was written at a time, or later.
func awaitTouched(ctx context.Context, gateway, sku string, at time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := poll(ctx, askEvery, func() (bool, error) {
		body, err := get(ctx, gateway+"/v1/items/"+sku)
		if err != nil {
			return false, err
		}
		var got struct{ Touched time.Time }
		if err := json.Unmarshal(body, &got); err != nil {
			return false, fmt.Errorf("%w: %.300s", err, body)
		}
		return !got.Touched.Before(at), nil
	})
	if err != nil {
		return fmt.Errorf("%s does not show what was written at %v: %w", sku, at, err)
	}
	return nil
}
