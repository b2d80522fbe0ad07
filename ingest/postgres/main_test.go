package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/ingest"
	"tributary/mesh"
	"tributary/schemas"
)

var pg pgtest.Shared

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// patience bounds every wait of a test.
const patience = 45 * time.Second

// A recorder is an Emitter that keeps what it is given, in order.
type recorder struct {
	mu        sync.Mutex // protects all below
	contracts []ingest.Contract
	parsed    []avro.Schema // by schema id − 1
	events    []recorded
	durable   ingest.Resume
	held      bool // Durable stays where it is
}

// A recorded event is a change or a mark.
type recorded struct {
	change *ingest.Change
	mark   *ingest.Mark
}

func newRecorder() *recorder { return &recorder{} }

func (r *recorder) Contract(_ context.Context, c ingest.Contract) (ingest.SchemaIDs, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.contracts = append(r.contracts, c)
	var ids [2]int
	for i, text := range []string{c.KeySchema, c.ValueSchema} {
		s, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
		if err != nil {
			return ingest.SchemaIDs{}, fmt.Errorf("schema %s: %w", text, err)
		}
		r.parsed = append(r.parsed, s)
		ids[i] = len(r.parsed)
	}
	return ingest.SchemaIDs{Key: ids[0], Value: ids[1]}, nil
}

func (r *recorder) Change(_ context.Context, c ingest.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, recorded{change: &c})
	return nil
}

func (r *recorder) Mark(_ context.Context, m ingest.Mark) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.Resume != nil && !r.held {
		r.durable = m.Resume
	}
	r.events = append(r.events, recorded{mark: &m})
	return nil
}

func (r *recorder) Durable() ingest.Resume {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.durable
}

// all gives a copy of what came so far.
func (r *recorder) all() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]recorded(nil), r.events...)
}

func (r *recorder) changes() []ingest.Change {
	var out []ingest.Change
	for _, e := range r.all() {
		if e.change != nil {
			out = append(out, *e.change)
		}
	}
	return out
}

// until waits for a condition over what came.
func (r *recorder) until(t testing.TB, what string, done func([]recorded) bool) {
	t.Helper()
	deadline, tick := time.After(patience), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for !done(r.all()) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not come in %v; %d events came", what, patience, len(r.all()))
		}
	}
}

func (r *recorder) untilChanges(t testing.TB, n int) []ingest.Change {
	t.Helper()
	r.until(t, fmt.Sprintf("change %d", n), func([]recorded) bool { return len(r.changes()) >= n })
	return r.changes()
}

// decode reads a framed record with the schema that it names.
func (r *recorder) decode(t testing.TB, rec []byte) map[string]any {
	t.Helper()
	id, body, err := schemas.Unframe(rec)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	schema := r.parsed[id-1]
	r.mu.Unlock()
	var out map[string]any
	if err := avro.Unmarshal(schema, body, &out); err != nil {
		t.Fatalf("decode: %v", err)
	}
	return out
}

// text is a change as "op key → after", short enough for tests to compare.
func (r *recorder) text(t testing.TB, c ingest.Change) string {
	t.Helper()
	if c.Op == ingest.OpTruncate {
		return "t"
	}
	v := r.decode(t, c.Value)
	return fmt.Sprintf("%c %v → %v", c.Op, flat(r.decode(t, c.Key)), flat(v["after"]))
}

func flat(v any) any {
	if m, ok := v.(map[string]any); ok {
		out := map[string]any{}
		for k, x := range m {
			out[k] = flat(x)
		}
		if len(out) == 1 {
			for k, x := range out {
				if strings.Contains(k, ".Value") { // hamba's name of the branch of a union
					return x
				}
			}
		}
		return out
	}
	return v
}

// A fixture is a database with a source on it.
type fixture struct {
	t      testing.TB
	url    string
	conn   *pgx.Conn
	source *source
}

// quick is tuning for tests.
func quick() Tuning {
	return Tuning{WatermarkEvery: 50 * time.Millisecond, StatusEvery: time.Second, RangePages: 4}
}

// newFixture makes a database, runs sql in it, and a source whose streams are "name=table".
func newFixture(t testing.TB, sql string, streams ...string) *fixture {
	t.Helper()
	return fixtureOn(t, pgtest.Database(t, pg.Server(t)), sql, streams...)
}

func fixtureOn(t testing.TB, url, sql string, streams ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, url: url}
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	f.conn = conn
	f.exec(sql)
	f.source = f.open(url, streams...)
	return f
}

func options(url, name string, streams ...string) ingest.Options {
	sys := &mesh.System{Name: name, Kind: "postgres", Connection: mesh.NewSecret("${URL}", url)}
	for _, s := range streams {
		name, table, _ := strings.Cut(s, "=")
		table, before := strings.CutSuffix(table, " before")
		sys.Streams = append(sys.Streams, &mesh.Stream{System: sys, Name: name, Table: table, Before: before})
	}
	return ingest.Options{Mesh: "test", System: sys}
}

// open makes a source whose slot has a name of its own, as slots are the whole server's.
func (f *fixture) open(url string, streams ...string) *source {
	f.t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := newSource(options(url, cfg.Database, streams...), quick())
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	var err error
	if len(args) == 0 {
		err = f.conn.PgConn().Exec(context.Background(), sql).Close()
	} else {
		_, err = f.conn.Exec(context.Background(), sql, args...)
	}
	if err != nil {
		f.t.Fatalf("%.200s: %v", sql, err)
	}
}

// first takes a first snapshot of all streams.
func (f *fixture) first(out ingest.Emitter) ingest.Resume {
	f.t.Helper()
	resume, err := f.source.Snapshot(context.Background(), ingest.SnapshotRequest{First: true, Streams: f.streams()}, out)
	if err != nil {
		f.t.Fatal(err)
	}
	return resume
}

func (f *fixture) streams() []int {
	var out []int
	for i := range f.source.system.Streams {
		out = append(out, i)
	}
	return out
}

// stream runs Stream until the returned function is called, or the test ends.
func (f *fixture) stream(from ingest.Resume, out ingest.Emitter) (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.source.Stream(ctx, from, out) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				f.t.Errorf("the stream ended with %v", err)
			}
		})
	}
	f.t.Cleanup(stop)
	return stop
}
