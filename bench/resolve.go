package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"tributary/topics"
)

// streamsPerEntity is how many contributions an entity of the three-database mesh has.
const streamsPerEntity = 3

// benchResolve is P5: contributions into views by `run --roles=process`, fed by this process,
// which holds the broker too.
func benchResolve(ctx context.Context, r *rig, b *board) error {
	entities := r.size(1_000_000, 50_000)
	b.size = r.sizeText("%s entities of three contributions, fed on the same machine by the process that holds the embedded broker", grouped(entities))
	err := r.rounds(b, func(b *board, profiled bool) error {
		return r.resolveOnce(ctx, b, entities, profiled)
	})
	if err != nil || !r.full {
		return err
	}
	return r.resolveCosts(ctx, b)
}

// resolveOnce loads all entities in a new state, and updates random ones then.
func (r *rig) resolveOnce(ctx context.Context, b *board, entities int, profiled bool) (err error) {
	dir, err := r.folder("broker")
	if err != nil {
		return err
	}
	broker, err := topics.StartBroker(filepath.Join(dir, "kafka"), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		return err
	}
	defer broker.Close()
	f, err := r.openFeed(ctx, broker.Addr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	bulk := phase{name: "bulk load, entities clustered", aim: "≥ 150,000", profiled: profiled, count: streamsPerEntity * entities}
	bulk.entity = func(i int) int { return i / streamsPerEntity }
	if _, err := f.measure(ctx, b, bulk); err != nil {
		return err
	}
	random := phase{name: "uniform random updates", aim: "≥ 50,000", profiled: profiled, count: entities / 2}
	random.entity = scattered(entities)
	if _, err := f.measure(ctx, b, random); err != nil {
		return err
	}
	return f.check(ctx)
}

// scattered gives entities in an order that looks random; neighbours are far apart.
func scattered(entities int) func(i int) int {
	return func(i int) int {
		x := uint64(i) + 0x9e3779b97f4a7c15 // splitmix64, Vigna
		x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
		x = (x ^ x>>27) * 0x94d049bb133111eb
		return int((x ^ x>>31) % uint64(entities))
	}
}

// resolveCosts compares the CPU of a random update at 10^7 entities with that at 10^5, in turn, on
// a real Kafka, since the embedded broker is not made for that many records.
func (r *rig) resolveCosts(ctx context.Context, b *board) error {
	few, many := r.size(100_000, 1_000), r.size(10_000_000, 10_000)
	name := fmt.Sprintf("CPU of an update at %s entities against %s", grouped(many), grouped(few))
	return r.rounds(b, func(b *board, _ bool) error {
		before, err := r.updateCost(ctx, b, few)
		if err != nil {
			return fmt.Errorf("%s entities: %w", grouped(few), err)
		}
		after, err := r.updateCost(ctx, b, many)
		if err != nil {
			return fmt.Errorf("%s entities: %w", grouped(many), err)
		}
		b.add(name, "×", "≤ 3", after/before)
		return nil
	})
}

func (r *rig) updateCost(ctx context.Context, b *board, entities int) (cost float64, err error) {
	broker, err := r.startKafka(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, broker.Stop()) }()
	f, err := r.openFeed(ctx, broker.Addr())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	name := fmt.Sprintf("on Kafka at %s entities", grouped(entities))
	bulk := phase{name: name + ", load", count: entities, entity: func(i int) int { return i }, single: true}
	if _, err := f.measure(ctx, b, bulk); err != nil {
		return 0, err
	}
	updates := phase{name: name + ", random updates", count: r.size(300_000, 5_000), entity: scattered(entities), single: true}
	if cost, err = f.measure(ctx, b, updates); err != nil {
		return 0, err
	}
	return cost, f.check(ctx)
}

// A phase is a run of contributions.
type phase struct {
	name, aim string
	count     int
	entity    func(i int) int // of contribution number i
	single    bool            // all are of the first stream
	profiled  bool
}

// measure feeds a phase and gives the CPU of resolve in µs a contribution.
func (f *feed) measure(ctx context.Context, b *board, ph phase) (float64, error) {
	m, err := watch(f.process.Pid(), time.Now())
	if err != nil {
		return 0, err
	}
	if err := m.fromNow(); err != nil {
		return 0, err
	}
	pr := f.rig.profileIf(ctx, ph.profiled, f.process, "P5 "+ph.name)
	err = f.send(ctx, ph)
	fed := time.Since(m.began)
	if err == nil {
		err = f.process.awaitHandled(ctx, "resolve", f.sent)
	}
	got, fault := m.stop()
	if err := errors.Join(err, fault, pr.report(ctx, b, ph.name)); err != nil {
		return 0, fmt.Errorf("%s: %w", ph.name, err)
	}
	cost := 1e6 * got.cpu.Seconds() / float64(ph.count)
	b.add(ph.name+": contributions a second", "/s", ph.aim, float64(ph.count)/got.wall.Seconds())
	b.add(ph.name+": CPU a contribution", "µs", "", cost)
	b.add(ph.name+": fed at most", "/s", "", float64(ph.count)/fed.Seconds())
	b.add(ph.name+": peak memory without page cache", "MiB", "", mebibytes(got.anonymous))
	return cost, nil
}
