package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tributary/deploy/postgres/pgtest"
	"tributary/examples/acme"
	"tributary/examples/acme/oracle"
	"tributary/examples/acme/seed"
	"tributary/internal/crash"
	"tributary/internal/ports"
)

var (
	pg      pgtest.Shared
	builder crash.Builder
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tributary-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builder.Dir = dir
	code := pg.Main(m)
	os.RemoveAll(dir)
	os.Exit(code)
}

// A trial is the example mesh as a child process, under load.
type trial struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	db      acme.Databases
	node    *crash.Node
	gateway string
	history *crash.History
	load    *crash.Load
	reader  *crash.Reader
}

// newTrial seeds databases of its own and starts a binary with those build tags.
func newTrial(t *testing.T, products int, tags ...string) *trial {
	t.Helper()
	tr := &trial{t: t, seed: rand.Uint64(), history: crash.NewHistory()}
	if text := os.Getenv("TRIBUTARY_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		tr.seed = given
	}
	t.Logf("repeat with TRIBUTARY_SEED=%d go test ./cmd/tributary -run %s", tr.seed, t.Name())
	tr.random = rand.New(rand.NewPCG(tr.seed, 0))
	srv := pg.Server(t)
	tr.db = acme.Databases{ERP: pgtest.Database(t, srv), PIM: pgtest.Database(t, srv), WMS: pgtest.Database(t, srv)}
	if err := seed.Seed(t.Context(), tr.db, products, nil); err != nil {
		t.Fatal(err)
	}
	tr.start(tags)
	tr.prepareLoad()
	return tr
}

func (tr *trial) start(tags []string) {
	tr.t.Helper()
	binary, err := builder.Binary(tr.t.Context(), tags...)
	if err != nil {
		tr.t.Fatal(err)
	}
	dir := tr.t.TempDir()
	manifest := strings.Replace(acme.Manifest(), "clickhouse: embedded", "clickhouse: none", 1)
	if err := os.WriteFile(filepath.Join(dir, "mesh.yaml"), []byte(manifest), 0o600); err != nil {
		tr.t.Fatal(err)
	}
	args := []string{"up"}
	for _, flag := range []string{"gateway", "registry", "admin", "kafka"} {
		addr, err := ports.Free()
		if err != nil {
			tr.t.Fatal(err)
		}
		if flag == "gateway" {
			tr.gateway = "http://" + addr
		}
		args = append(args, "--"+flag+"-addr", addr)
	}
	tr.node, err = crash.NewNode(crash.Config{Binary: binary, Args: args, Env: tr.db.Env(), Dir: dir, Log: filepath.Join(dir, "log")})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(func() {
		if tr.t.Failed() {
			if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil {
				tr.t.Logf("end of the node's log:\n%s", log[max(0, len(log)-5000):])
			}
		}
		if err := tr.node.Close(); err != nil {
			tr.t.Error(err)
		}
	})
	if err := tr.node.Start(); err != nil {
		tr.t.Fatal(err)
	}
}

// prepareLoad makes products of our own in the ERP, whose prices only rise.
func (tr *trial) prepareLoad() {
	tr.t.Helper()
	pool, err := pgxpool.New(tr.t.Context(), tr.db.ERP)
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.t.Cleanup(pool.Close)
	var keys []string
	for i := range 6 {
		keys = append(keys, fmt.Sprintf("LOAD-%d", i))
	}
	write := func(ctx context.Context, key string, value int64) error {
		_, err := pool.Exec(ctx, `insert into material (matnr, maktx, netpr, waers, ersda, changed_at) values ($1, 'load', $2, 'EUR', '2026-01-01', now())
			on conflict (matnr) do update set netpr = excluded.netpr, changed_at = excluded.changed_at`, key, value)
		return err
	}
	tr.load = &crash.Load{History: tr.history, Keys: keys, Writers: 2, Every: 3 * time.Millisecond, Write: write}
	tr.reader = &crash.Reader{History: tr.history, Client: &http.Client{Timeout: 5 * time.Second}, Gateway: tr.gateway,
		Plural: "products", Field: "price", Keys: keys, Readers: 2, Every: 2 * time.Millisecond}
}

// under runs fn while the databases change and the gateway is read.
func (tr *trial) under(fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(tr.t.Context())
	defer cancel()
	g, gctx := errgroup.WithContext(ctx)
	business := &seed.Workload{Databases: tr.db, Rate: 40, Seed: tr.seed}
	g.Go(func() error { return business.Run(gctx) })
	g.Go(func() error { return tr.load.Run(gctx) })
	g.Go(func() error { return tr.reader.Run(gctx) })
	err := fn(ctx)
	cancel()
	if gerr := g.Wait(); err == nil && gerr != nil && tr.t.Context().Err() == nil {
		err = gerr
	}
	return err
}

// settled waits until every view equals what the databases say, and gives the differences that
// remain when time is up.
func (tr *trial) settled(within time.Duration) []string {
	tr.t.Helper()
	ctx, cancel := context.WithTimeout(tr.t.Context(), within)
	defer cancel()
	var differences []string
	client := &http.Client{Timeout: 10 * time.Second}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := oracle.Compare(ctx, client, tr.gateway, tr.db)
		if err == nil && len(got) == 0 {
			return nil
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if ctx.Err() == nil {
			differences = got
		}
		select {
		case <-ctx.Done():
			return differences
		case <-tick.C:
		}
	}
}

// TestKilledAtRandom kills the mesh ten times at random moments under load, beginning in its
// first snapshot. Afterwards every view equals what SQL over the databases says, and no answer
// was older than the verifiedThrough that it claimed (I1, I4, I14).
func TestKilledAtRandom(t *testing.T) {
	tr := newTrial(t, 300)
	err := tr.under(func(ctx context.Context) error {
		if err := tr.node.KillAtRandom(ctx, tr.random, kills, 3*time.Second); err != nil {
			return err
		}
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		_, err := tr.node.Ready(ready)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := tr.settled(time.Minute); len(left) > 0 {
		t.Errorf("%d differences between views and databases, such as %v", len(left), left[:min(5, len(left))])
	}
	report := tr.reader.Report()
	t.Logf("%d answers, %d with a verifiedThrough, %d while it was down", report.Answers, report.Verified, report.Unavailable)
	for _, v := range report.Violations {
		t.Error(v)
	}
	if report.Verified < 100 {
		t.Errorf("only %d answers claimed a verifiedThrough: the trial proves nothing", report.Verified)
	}
	if err := tr.node.Stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// TestCrashTestSeesEarlyWatermarks is the control: without the guard of I4 the same trial must
// find answers that are older than they claim.
func TestCrashTestSeesEarlyWatermarks(t *testing.T) {
	tr := newTrial(t, 300, "broken_i4")
	err := tr.under(func(ctx context.Context) error {
		return tr.killUntil(ctx, func() bool { return len(tr.reader.Report().Violations) > 0 })
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.reader.Report().Violations) == 0 {
		t.Error("with I4's guard taken out, no answer was found to be older than it claimed")
	}
}

// TestCrashTestSeesLostChanges is the control for I1: without its guard changes are confirmed to
// the database before Kafka holds them, and a kill loses them.
func TestCrashTestSeesLostChanges(t *testing.T) {
	tr := newTrial(t, 300, "broken_i1")
	for range 3 {
		err := tr.under(func(ctx context.Context) error { return tr.killUntil(ctx, func() bool { return false }) })
		if err != nil {
			t.Fatal(err)
		}
		if len(tr.settled(10*time.Second)) > 0 {
			return
		}
	}
	t.Error("with I1's guard taken out, no change was lost")
}

// killUntil kills the mesh up to five times, each time a while after it was ready, until done.
func (tr *trial) killUntil(ctx context.Context, done func() bool) error {
	for range 5 {
		ready, cancel := context.WithTimeout(ctx, time.Minute)
		_, err := tr.node.Ready(ready)
		cancel()
		if err != nil {
			return err
		}
		if err := tr.node.KillAtRandom(ctx, tr.random, 1, 2*time.Second); err != nil || done() {
			return err
		}
	}
	return nil
}
