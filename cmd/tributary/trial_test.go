package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"tributary/deploy/kafka"
	pgserver "tributary/deploy/postgres"
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
	broker  sharedKafka
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tributary-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	builder.Dir, broker.dir = dir, filepath.Join(dir, "kafka")
	code := pg.Main(shared{m})
	os.RemoveAll(dir)
	os.Exit(code)
}

// shared runs the tests and then ends the broker that they shared.
type shared struct{ m *testing.M }

func (s shared) Run() int {
	defer broker.kill()
	return s.m.Run()
}

// A sharedKafka is one real Kafka for all tests of the package; a test that stops it starts it
// again. Meshes on it have names of their own.
type sharedKafka struct {
	dir string

	mu     sync.Mutex // protects what is below
	broker *kafka.Broker
	meshes int
}

func (s *sharedKafka) get(t *testing.T) *kafka.Broker {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker == nil {
		var err error
		// What a dead transaction holds up is given free after 10 s and the next round of this.
		settings := map[string]string{"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"}
		if s.broker, err = kafka.Start(t.Context(), kafka.Config{Dir: s.dir, Settings: settings}); err != nil {
			t.Fatal(err)
		}
	}
	return s.broker
}

// mesh gives a name that no other mesh on the broker has.
func (s *sharedKafka) mesh() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meshes++
	return fmt.Sprintf("acme%d", s.meshes)
}

func (s *sharedKafka) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil {
		s.broker.Kill()
	}
}

// A setup says what a trial runs on.
type setup struct {
	products int
	kafka    *kafka.Broker    // nil: the embedded broker
	tags     []string         // of the build
	postgres *pgserver.Server // nil: the one that tests share, which must not be stopped
	// manifest changes the manifest's text.
	manifest func(string) string
}

// A trial is the example mesh in child processes, under load.
type trial struct {
	t       *testing.T
	seed    uint64
	random  *rand.Rand
	dir     string
	binary  string
	mesh    string
	db      acme.Databases
	node    *member // of a trial with one process
	members []*member
	history *crash.History
	load    *crash.Load
	reader  *crash.Reader
}

// A member is one process of a mesh.
type member struct {
	*crash.Node
	name, data, gateway, admin, kafka, clickhouse string
}

// newTrial seeds databases of its own and builds the binary.
func newTrial(t *testing.T, s setup) *trial {
	t.Helper()
	tr := &trial{t: t, seed: rand.Uint64(), dir: t.TempDir(), mesh: "acme", history: crash.NewHistory()}
	if text := os.Getenv("TRIBUTARY_SEED"); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		tr.seed = given
	}
	t.Logf("repeat with TRIBUTARY_SEED=%d go test ./cmd/tributary -run %s", tr.seed, t.Name())
	tr.random = rand.New(rand.NewPCG(tr.seed, 0))
	var err error
	if tr.binary, err = builder.Binary(t.Context(), s.tags...); err != nil {
		t.Fatal(err)
	}
	srv := s.postgres
	if srv == nil {
		srv = pg.Server(t)
	}
	tr.db = acme.Databases{ERP: pgtest.Database(t, srv), PIM: pgtest.Database(t, srv), WMS: pgtest.Database(t, srv)}
	if err := seed.Seed(t.Context(), tr.db, s.products, nil); err != nil {
		t.Fatal(err)
	}
	tr.writeManifest(s)
	t.Cleanup(tr.close)
	return tr
}

// newUp makes a trial with one process that does everything, and starts it.
func newUp(t *testing.T, s setup) *trial {
	t.Helper()
	tr := newTrial(t, s)
	tr.node = tr.member("up", "up")
	if err := tr.node.Start(); err != nil {
		t.Fatal(err)
	}
	tr.prepareLoad(tr.node.gateway)
	return tr
}

func (tr *trial) writeManifest(s setup) {
	tr.t.Helper()
	text := strings.Replace(acme.Manifest(), "clickhouse: embedded", "clickhouse: none", 1)
	if s.kafka != nil {
		tr.mesh = broker.mesh()
		text = strings.Replace(text, "mesh: acme", "mesh: "+tr.mesh+"\ntopics: { partitions: 4 }", 1)
		text = strings.Replace(text, "bootstrap: embedded", "bootstrap: \""+s.kafka.Addr()+"\"", 1)
	}
	if s.manifest != nil {
		text = s.manifest(text)
	}
	if err := os.WriteFile(filepath.Join(tr.dir, "mesh.yaml"), []byte(text), 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

// member makes a process of the mesh, with a data folder and addresses of its own.
func (tr *trial) member(name string, args ...string) *member {
	tr.t.Helper()
	m := &member{name: name, data: filepath.Join(tr.dir, name)}
	args = append(args, "-f", "mesh.yaml", "--data", m.data)
	for _, flag := range []string{"gateway", "registry", "admin", "kafka", "clickhouse"} {
		addr, err := ports.Free()
		if err != nil {
			tr.t.Fatal(err)
		}
		switch flag {
		case "gateway":
			m.gateway = "http://" + addr
		case "admin":
			m.admin = "http://" + addr
		case "kafka":
			m.kafka = addr
		case "clickhouse":
			m.clickhouse = "http://" + addr
		}
		args = append(args, "--"+flag+"-addr", addr)
	}
	var err error
	m.Node, err = crash.NewNode(crash.Config{Binary: tr.binary, Args: args, Env: tr.db.Env(), Dir: tr.dir, Log: m.data + ".log"})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.members = append(tr.members, m)
	return m
}

// logged is how much a failed test shows of each log.
const logged = 5000

func (tr *trial) close() {
	for _, m := range tr.members {
		if err := m.Close(); err != nil {
			tr.t.Error(err)
		}
		if log, err := os.ReadFile(m.data + ".log"); err == nil && tr.t.Failed() {
			tr.t.Logf("end of the log of %s:\n%s", m.name, log[max(0, len(log)-logged):])
		}
	}
}

// prepareLoad makes products of our own in the ERP, whose prices only rise, and reads them.
func (tr *trial) prepareLoad(gateway string) {
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
	tr.reader = &crash.Reader{History: tr.history, Client: &http.Client{Timeout: 5 * time.Second}, Gateway: gateway,
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
		got, err := oracle.Compare(ctx, client, tr.reader.Gateway, tr.db)
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

// mustSettle holds every view against the databases, and the answers under load against what they
// claimed.
func (tr *trial) mustSettle(within time.Duration) {
	tr.t.Helper()
	began := time.Now()
	if left := tr.settled(within); len(left) > 0 {
		tr.t.Errorf("%d differences between views and databases, such as %v", len(left), left[:min(5, len(left))])
	}
	report := tr.reader.Report()
	tr.t.Logf("%d answers, %d with a verifiedThrough, %d while it was down; equal after %v",
		report.Answers, report.Verified, report.Unavailable, time.Since(began).Round(time.Millisecond))
	for _, v := range report.Violations[:min(5, len(report.Violations))] {
		tr.t.Error(v)
	}
	if report.Verified < proof {
		tr.t.Errorf("only %d answers claimed a verifiedThrough: the trial proves nothing", report.Verified)
	}
}

// proof is how many answers must have claimed a verifiedThrough for a trial to prove something.
const proof = 100

// goOn waits under load until the process is ready and enough of its answers claimed something.
func (tr *trial) goOn(ctx context.Context) error {
	if err := tr.node.await(ctx, time.Minute); err != nil {
		return err
	}
	for began := time.Now(); tr.reader.Report().Verified < proof && time.Since(began) < time.Minute; {
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// await waits until a process is ready.
func (m *member) await(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := m.Ready(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}

// sleep waits for a time, or ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("the load ended"), ctx.Err())
	}
}

// said says whether a process has logged a text.
func (m *member) said(t *testing.T, text string) bool {
	t.Helper()
	log, err := os.ReadFile(m.data + ".log")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(log, []byte(text))
}

// counted holds a counter of a process's metrics against a value.
func (m *member) counted(t *testing.T, metric string, want float64) {
	t.Helper()
	answer, err := http.Get(m.admin + "/metrics")
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		value, ok := strings.CutPrefix(lines.Text(), metric+" ")
		if !ok {
			continue
		}
		if got, err := strconv.ParseFloat(value, 64); err != nil || got != want {
			t.Errorf("%s: %s is %s, want %v", m.name, metric, value, want)
		}
		return
	}
	t.Errorf("%s has no metric %s", m.name, metric)
}
