package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	pgserver "tributary/deploy/postgres"
	"tributary/deploy/postgres/pgtest"
	"tributary/mesh"
	"tributary/serve/rest"
	"tributary/topics"
)

// sessionTimeout is how long a group waits for a member that it does not hear of, and a broker
// for the end of its transaction; a zombie sleeps longer.
const sessionTimeout = 10 * time.Second

// A fleet is the mesh as several processes on a real Kafka: two that capture, two that process,
// one that serves.
type fleet struct {
	*trial
	postgres        *pgserver.Server
	serve           *member
	ingest, process [2]*member
}

func newFleet(t *testing.T, s setup) *fleet {
	t.Helper()
	s.kafka, s.postgres = broker.get(t), pgtest.Start(t)
	f := &fleet{trial: newTrial(t, s), postgres: s.postgres}
	f.serve = f.member("serve", "run", "--roles=serve,sink")
	for i := range f.process {
		f.ingest[i] = f.member(fmt.Sprintf("ingest%d", i), "run", "--roles=ingest")
		f.process[i] = f.member(fmt.Sprintf("process%d", i), "run", "--roles=process")
	}
	for _, m := range f.members {
		if err := m.Start(); err != nil {
			t.Fatal(err)
		}
	}
	f.prepareLoad(f.serve.gateway)
	return f
}

// TestFleet takes a mesh of five processes through what happens to it in production, under load
// but where it says otherwise. After each trouble every view equals the databases and no answer
// was older than it claimed or went back.
func TestFleet(t *testing.T) {
	f := newFleet(t, setup{products: 200})
	if err := f.serve.await(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, trouble := range append([]trouble{
		{"processes come and go", f.comeAndGo},
		{"state is deleted", f.stateDeleted},
		{"Kafka is down", f.kafkaDown},
		{"Postgres is down", f.postgresDown},
	}, f.more()...) {
		if !t.Run(trouble.name, trouble.run) {
			return
		}
	}
	for _, m := range f.process { // I13
		m.counted(t, "tributary_order_repaired_total", 0)
	}
	for _, m := range f.members {
		if err := m.Stop(); err != nil {
			t.Errorf("SIGTERM to %s: %v", m.name, err)
		}
	}
}

// A trouble is something that happens to a fleet.
type trouble struct {
	name string
	run  func(*testing.T)
}

// trouble makes it under load, and then waits until the mesh is right again.
func (f *fleet) trouble(t *testing.T, make func(ctx context.Context) error) {
	t.Helper()
	if err := f.under(make); err != nil {
		t.Fatal(err)
	}
	f.on(t).mustSettle(time.Minute)
}

// on lets the trial report to another test.
func (tr *trial) on(t *testing.T) *trial {
	sub := *tr
	sub.t = t
	return &sub
}

// comeAndGo kills processes of both kinds, stops them in order, starts them again and freezes them
// beyond their session's timeout: partitions and connections move back and forth, and zombies wake
// that must be fenced (I14).
func (f *fleet) comeAndGo(t *testing.T) {
	f.trouble(t, func(ctx context.Context) error {
		for _, step := range []func() error{
			func() error { return f.process[1].KillAtRandom(ctx, f.random, 1, 2*time.Second) },
			func() error { return f.ingest[1].KillAtRandom(ctx, f.random, 1, 2*time.Second) },
			func() error { return errors.Join(f.process[0].Stop(), f.ingest[0].Stop()) }, // 2 → 1
			func() error { return errors.Join(f.process[0].Start(), f.ingest[0].Start()) },
			func() error { return errors.Join(f.process[1].Pause(), f.ingest[1].Pause()) },
			func() error { return sleep(ctx, sessionTimeout+2*time.Second) },
			func() error { return errors.Join(f.process[1].Resume(), f.ingest[1].Resume()) },
			func() error { return f.process[0].KillAtRandom(ctx, f.random, 1, 2*time.Second) },
		} {
			if err := step(); err != nil {
				return err
			}
			if err := sleep(ctx, time.Duration(f.random.Int64N(int64(time.Second)))); err != nil {
				return err
			}
		}
		return nil
	})
}

// stateDeleted takes away the state of both processes, once under load and once at rest: what is
// rebuilt at rest equals what was published, so nothing is published again (I3).
func (f *fleet) stateDeleted(t *testing.T) {
	f.trouble(t, func(ctx context.Context) error {
		if err := f.withoutState(0); err != nil {
			return err
		}
		return sleep(ctx, 3*time.Second)
	})
	before := f.records(t)
	if err := errors.Join(f.withoutState(0), f.withoutState(1)); err != nil {
		t.Fatal(err)
	}
	f.fresh(t)
	if after := f.records(t); after != before {
		t.Errorf("the views' topics held %d records before the state was rebuilt, %d after", before, after)
	}
}

// withoutState kills a processing process and starts it without its state.
func (f *fleet) withoutState(i int) error {
	f.process[i].Kill()
	if err := os.RemoveAll(filepath.Join(f.process[i].data, "state")); err != nil {
		return err
	}
	return f.process[i].Start()
}

// records counts what was ever written to the views.
func (f *fleet) records(t *testing.T) (n int) {
	t.Helper()
	cluster, err := topics.NewCluster(mesh.Kafka{}, broker.get(t).Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, entity := range []string{"product", "variant", "price", "customer", "order", "line"} {
		from := map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0}
		err := cluster.ReadToEnd(t.Context(), topics.Names(f.mesh).View(entity), from, func(*kgo.Record) error { n++; return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// fresh waits until every view is verified for a time behind now: claims have gone the whole way
// in each partition, so everything before them has, too.
func (f *fleet) fresh(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	since := time.Now()
	for {
		late, err := f.verifiedBefore(ctx, since)
		if err == nil && len(late) == 0 {
			return
		}
		if sleep(ctx, 100*time.Millisecond) != nil {
			t.Fatalf("not verified within a minute: %v, %v", late, err)
		}
	}
}

// verifiedBefore gives the views that are not verified for a time.
func (f *fleet) verifiedBefore(ctx context.Context, at time.Time) (late []string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.serve.gateway+"/v1/_status", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var status rest.Status
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		return nil, err
	}
	for _, v := range status.Views {
		if v.VerifiedThrough == nil || v.VerifiedThrough.Before(at) {
			late = append(late, v.Name)
		}
	}
	return late, nil
}

// staleness is what the gateway says of one of the load's products; −1 where it does not know.
func (f *fleet) staleness(ctx context.Context) (staleness time.Duration, state string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.serve.gateway+"/v1/products/LOAD-0", nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return 0, "", fmt.Errorf("the gateway answers %s", answer.Status)
	}
	state = answer.Header.Get("Tributary-State")
	text := answer.Header.Get("Tributary-Staleness")
	if text == "" {
		return -1, state, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	return time.Duration(ms) * time.Millisecond, state, err
}

// down lets something be down for a while: reads go on, with a staleness that rises as the time
// goes, and a state that is no longer LIVE once the price's bound (10 s) is passed.
func (f *fleet) down(ctx context.Context, fall, rise func() error) error {
	if err := fall(); err != nil {
		return err
	}
	before, _, err := f.staleness(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := sleep(ctx, outage); err != nil {
		return err
	}
	staleness, state, err := f.staleness(ctx)
	if err != nil {
		return err
	}
	// What was under way at the fall may still have arrived: a second's worth of watermarks.
	if grown := staleness - before; grown < time.Since(began)-2*time.Second {
		return fmt.Errorf("after %v without changes the staleness has grown by %v only", time.Since(began), grown)
	}
	if staleness > 10*time.Second && state == "LIVE" {
		return fmt.Errorf("the state is LIVE at a staleness of %v", staleness)
	}
	if err := rise(); err != nil {
		return err
	}
	return sleep(ctx, 2*time.Second)
}

func (f *fleet) kafkaDown(t *testing.T) {
	kafka := broker.get(t)
	f.trouble(t, func(ctx context.Context) error {
		return f.down(ctx, func() error { kafka.Kill(); return nil }, func() error { return kafka.Restart(ctx) })
	})
	f.fresh(t)
}

func (f *fleet) postgresDown(t *testing.T) {
	f.trouble(t, func(ctx context.Context) error {
		return f.down(ctx, f.postgres.Kill, func() error { return f.postgres.Start(ctx) })
	})
	f.fresh(t)
}
