package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/examples/acme/seed"
	"tributary/node"
)

// A running mesh.
type running struct {
	started chan node.Addrs // gets the addresses once
	ready   chan string     // gets the ready line once
	ended   chan struct{}   // closed when the mesh has ended
	err     error           // how, valid after ended
}

// runMesh runs the mesh and, once it is ready, the changes. The changes end first, so that the
// mesh sees the last of them.
func (d *demo) runMesh(ctx context.Context) error {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	m := d.startMesh(life)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-m.ended:
			return fmt.Errorf("the mesh ended: %w", m.err)
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { return d.follow(ctx, g, m) })
	err := g.Wait()
	end()
	<-m.ended
	if errors.Is(err, m.err) || errors.Is(m.err, context.Canceled) {
		return err
	}
	return errors.Join(err, m.err)
}

func (d *demo) startMesh(ctx context.Context) *running {
	m := &running{started: make(chan node.Addrs, 1), ready: make(chan string, 1), ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		m.err = node.Run(ctx, node.Options{
			Mesh: d.mesh, DataDir: d.path(meshName), Addrs: d.Addrs, Log: d.log, Metrics: d.metrics,
			Stdout: &lineWriter{line: func(text string) { m.ready <- text }}, Started: func(a node.Addrs) { m.started <- a },
		})
	}()
	return m
}

// interval is the time between two readings.
const interval = time.Second

// follow shows the mesh from its start on, and lets the changes begin when it is ready.
func (d *demo) follow(ctx context.Context, g *errgroup.Group, m *running) error {
	var addrs node.Addrs
	if err := d.step("Starting the mesh", func() (string, error) {
		select {
		case addrs = <-m.started:
			return "", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}); err != nil {
		return nil
	}
	if _, err := writeManifest(d.Dir, listening(addrs), d.engine, d.db); err != nil { // ports that were :0 are known now
		return err
	}
	work := &seed.Workload{Databases: d.db, Seed: uint64(d.begun.Unix()), Log: d.log}
	seen := newObserver(addrs.Gateway, d.metrics)
	defer seen.client.CloseIdleConnections()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case line := <-m.ready:
			if err := d.announce(ctx, line, addrs); err != nil {
				return err
			}
			seen.forget()
			if !d.Idle {
				g.Go(func() error { return work.Run(ctx) })
			}
		case now := <-tick.C:
			reading, err := seen.read(ctx, now)
			if err != nil {
				d.log.Warn().Err(err).Msg("the demo cannot show how the mesh stands")
				continue
			}
			reading.Committed, reading.Failed = work.Counts().Committed, work.Counts().Failed
			d.tell(event{Kind: kindStatus, Status: &reading})
		}
	}
}

// listening turns addresses as announced into those of a manifest, host:port.
func listening(a node.Addrs) node.Addrs {
	for _, to := range []*string{&a.Gateway, &a.Registry, &a.Admin, &a.Kafka, &a.ClickHouse} {
		*to = strings.TrimPrefix(*to, "http://")
	}
	return a
}

// A lineWriter gives its first line away and drops what follows.
type lineWriter struct {
	line func(string)

	mu   sync.Mutex // protects text and done
	text []byte
	done bool
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.text = append(w.text, p...)
		if line, _, whole := bytes.Cut(w.text, []byte("\n")); whole {
			w.done = true
			w.line(string(line))
		}
	}
	return len(p), nil
}
