package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// wholeProducts is the size that P6, P7 and P9 are stated for.
const wholeProducts = 137_000

// A source is a set of databases that a mesh is brought up from.
type source struct {
	*databases
	manifest string
	env      []string
	rows     int
	check    func(ctx context.Context, gateway string) error
}

func (t *three) source() source {
	return source{t.databases, threeMesh(embeddedKafka), t.env(), 3 * t.entities, t.check}
}

func (s *shop) source() source {
	return source{s.databases, acmeMesh(), s.urls().Env(), s.rows, s.check}
}

// benchThree is P6a: from an empty data folder to the ready line.
func benchThree(ctx context.Context, r *rig, b *board) (err error) {
	t, err := r.seededThree(ctx, "three", r.size(wholeProducts, 5_000))
	defer func() { err = errors.Join(err, t.stop()) }()
	if err != nil {
		return err
	}
	b.size = r.sizeText("%s entities, %s rows in three databases, broker embedded, no analytics", grouped(t.entities), grouped(3*t.entities))
	return r.rounds(b, func(b *board, profiled bool) error {
		return r.bootstrap(ctx, b, t.source(), bootstrapAims{wall: "≤ 8", memory: "≤ 500"}, profiled)
	})
}

// benchShop is P6b: the same with the example's mesh.
func benchShop(ctx context.Context, r *rig, b *board) (err error) {
	s, err := r.seededShop(ctx, r.size(wholeProducts, 2_000))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	b.size = r.sizeText("the demo at %s products, %s rows in three databases, broker embedded, no analytics", grouped(s.products), grouped(s.rows))
	return r.rounds(b, func(b *board, profiled bool) error {
		return r.bootstrap(ctx, b, s.source(), bootstrapAims{rate: "≥ 60,000 (100,000)", memory: "≤ 500"}, profiled)
	})
}

type bootstrapAims struct{ wall, rate, memory string }

// bootstrap measures one way from nothing to readable.
func (r *rig) bootstrap(ctx context.Context, b *board, s source, aims bootstrapAims, profiled bool) (err error) {
	if err := s.forget(ctx); err != nil {
		return err
	}
	p, err := r.start(launch{manifest: s.manifest, env: s.env})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	m, err := watch(p.Pid(), p.began, s.pids()...)
	if err != nil {
		return err
	}
	pr := r.profileIf(ctx, profiled, p, b.bench)
	ready := p.await(ctx)
	got, err := m.stop()
	if err := errors.Join(ready, err, pr.report(ctx, b, b.bench)); err != nil {
		return err
	}
	if err := s.check(ctx, p.gateway); err != nil {
		return fmt.Errorf("the contents are wrong: %w", err)
	}
	seconds := got.wall.Seconds()
	b.add("start to ready", "s", aims.wall, seconds)
	b.add("source rows a second", "/s", aims.rate, float64(s.rows)/seconds)
	b.add("CPU of tributary", "s", "", got.cpu.Seconds())
	b.add("CPU of Postgres beside it", "s", "", got.beside.Seconds())
	b.add("peak memory without page cache", "MiB", aims.memory, mebibytes(got.anonymous))
	b.add("peak memory, mapped files included", "MiB", "", mebibytes(got.peak))
	return p.Stop()
}

// benchRestart is P9: from start to the ready line over the state of P6a, after a clean stop and
// after SIGKILL in turn.
func benchRestart(ctx context.Context, r *rig, b *board) (err error) {
	t, err := r.seededThree(ctx, "three", r.size(wholeProducts, 5_000))
	defer func() { err = errors.Join(err, t.stop()) }()
	if err != nil {
		return err
	}
	b.size = r.sizeText("state of %s entities, three databases", grouped(t.entities))
	s := t.source()
	p, err := r.start(launch{manifest: s.manifest, env: s.env})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.await(ctx); err != nil {
		return err
	}
	return r.rounds(b, func(b *board, profiled bool) error {
		if err := p.Stop(); err != nil {
			return err
		}
		if err := r.restart(ctx, b, p, s, "start to ready after a clean stop", profiled); err != nil {
			return err
		}
		p.Kill()
		return r.restart(ctx, b, p, s, "start to ready after SIGKILL", profiled)
	})
}

// restart measures one start of a process that has ended.
func (r *rig) restart(ctx context.Context, b *board, p *process, s source, name string, profiled bool) error {
	p.began = time.Now()
	if err := p.Start(); err != nil {
		return err
	}
	m, err := watch(p.Pid(), p.began, s.pids()...)
	if err != nil {
		return err
	}
	pr := r.profileIf(ctx, profiled, p, b.bench+" "+name)
	ready := p.await(ctx)
	got, err := m.stop()
	if err := errors.Join(ready, err, pr.report(ctx, b, name)); err != nil {
		return err
	}
	if err := s.check(ctx, p.gateway); err != nil {
		return fmt.Errorf("the contents are wrong: %w", err)
	}
	b.add(name, "s", "≤ 2", got.wall.Seconds())
	b.add(name+", CPU", "s", "", got.cpu.Seconds())
	return nil
}

// benchIdle is P8: what a mesh costs in which nothing changes.
func benchIdle(ctx context.Context, r *rig, b *board) (err error) {
	s, err := r.seededShop(ctx, r.size(20_000, 2_000))
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	p, err := r.start(launch{manifest: acmeMesh(), env: s.urls().Env()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.await(ctx); err != nil {
		return err
	}
	if err := s.check(ctx, p.gateway); err != nil {
		return fmt.Errorf("the contents are wrong: %w", err)
	}
	lasts := time.Duration(r.size(60, 5)) * time.Second
	b.size = r.sizeText("the demo at %s products, no changes, watermarks every second, 4 partitions, %v", grouped(s.products), lasts)
	if err := rest(ctx, lasts/4); err != nil { // the collector gives back what the snapshots took
		return err
	}
	err = r.rounds(b, func(b *board, profiled bool) error { return r.idle(ctx, b, p, s, lasts, profiled) })
	return errors.Join(err, p.Stop())
}

func (r *rig) idle(ctx context.Context, b *board, p *process, s *shop, lasts time.Duration, profiled bool) error {
	m, err := watch(p.Pid(), time.Now(), s.pids()...)
	if err != nil {
		return err
	}
	if err := m.fromNow(); err != nil {
		return err
	}
	pr := r.profileIf(ctx, profiled, p, b.bench)
	err = rest(ctx, lasts)
	got, fault := m.stop()
	if err := errors.Join(err, fault, pr.report(ctx, b, b.bench)); err != nil {
		return err
	}
	b.add("CPU of tributary", "% of a core", "≤ 5", 100*got.cpu.Seconds()/got.wall.Seconds())
	b.add("CPU of Postgres beside it", "% of a core", "", 100*got.beside.Seconds()/got.wall.Seconds())
	b.add("memory without page cache", "MiB", "≤ 150", mebibytes(got.resident.anonymous))
	b.add("memory, mapped files included", "MiB", "", mebibytes(got.resident.resident))
	return nil
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
