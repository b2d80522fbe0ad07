package ingest_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/deploy/postgres/pgtest"
	"tributary/ingest"
	"tributary/ingest/postgres"
	"tributary/internal/poll"
	"tributary/mesh"
	"tributary/schemas"
	"tributary/topics"
)

var pg pgtest.Shared

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

const partitions = 2

// A rig captures a real Postgres database into an embedded broker.
type rig struct {
	t        *testing.T
	names    topics.Names
	url      string
	conn     *pgx.Conn
	cluster  *topics.Cluster
	registry *schemaList
	request  topics.Frame
	system   *mesh.System
	tuning   postgres.Tuning
	// before, where set, is called by the source before each snapshot that is not the first; rows
	// for each row that it hands over, whose error ends it.
	before, rows hook
	read         *atomic.Int32 // rows that were handed over since stopMidway
}

// A hook is something to do in the middle of a snapshot, which a test may change at any time.
type hook struct {
	atomic.Pointer[func(context.Context) error]
}

func (h *hook) set(fn func(context.Context) error) { h.Store(&fn) }

func (h *hook) run(ctx context.Context) error {
	if fn := h.Load(); fn != nil {
		return (*fn)(ctx)
	}
	return nil
}

// newRig makes a database with tables as sql says, and a system that captures those named.
func newRig(t *testing.T, sql string, tables ...string) *rig {
	t.Helper()
	r := &rig{t: t, names: "test", url: pgtest.Database(t, pg.Server(t)), registry: &schemaList{}, tuning: postgres.Tuning{WatermarkEvery: 10 * time.Millisecond}}
	var err error
	if r.conn, err = pgx.Connect(t.Context(), r.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.conn.Close(context.Background()) })
	r.exec(sql)
	broker, err := topics.StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	if r.cluster, err = topics.NewCluster(mesh.Kafka{}, broker.Addr()); err != nil {
		t.Fatal(err)
	}
	r.declare(tables...)
	if r.request, err = topics.NewFrame(t.Context(), r.registry, r.names.Requests(), topics.RequestKeySchema, topics.RequestSchema); err != nil {
		t.Fatal(err)
	}
	return r
}

// declare says which tables the system's manifest has from now on.
func (r *rig) declare(tables ...string) {
	r.t.Helper()
	name := "s" + strconv.FormatInt(time.Now().UnixNano(), 36) // slots are the whole server's
	if r.system != nil {
		name = r.system.Name
	}
	r.system = &mesh.System{Name: name, Kind: "postgres", Connection: mesh.NewSecret("${URL}", r.url)}
	specs := []topics.Spec{{Name: r.names.Positions(), Partitions: 1}, {Name: r.names.Claims(), Partitions: 1}, {Name: r.names.Requests(), Partitions: 1}}
	for _, table := range tables {
		s := &mesh.Stream{System: r.system, Name: table, Table: table}
		r.system.Streams = append(r.system.Streams, s)
		specs = append(specs, topics.Spec{Name: r.names.RawID(s.ID()), Partitions: partitions})
	}
	if err := r.cluster.Ensure(r.t.Context(), specs); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) id(table string) string { return r.system.Name + "." + table }

func (r *rig) exec(sql string) {
	r.t.Helper()
	if err := r.conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
		r.t.Fatalf("%.200s: %v", sql, err)
	}
}

// start captures until stop is called, or the test ends.
func (r *rig) start() (stop func()) {
	r.t.Helper()
	requests, err := topics.NewRequests(r.cluster, r.names, r.request, "test", zerolog.Nop())
	if err != nil {
		r.t.Fatal(err)
	}
	cfg := ingest.Config{Names: r.names, System: r.system, Partitions: partitions, Cluster: r.cluster, Requests: requests,
		Registry: r.registry, Dir: r.t.TempDir(), Log: zerolog.New(zerolog.NewTestWriter(r.t)),
		Open: func(ctx context.Context) (ingest.Source, error) {
			src, err := postgres.OpenTuned(ctx, ingest.Options{Mesh: string(r.names), System: r.system}, r.tuning)
			return &hooked{src, r}, err
		}}
	if cfg.State.Positions, err = topics.NewFrame(r.t.Context(), r.registry, "p", topics.PositionKeySchema, topics.PositionRecordSchema); err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = requests.Run(ctx) })
	done.Go(func() { _ = ingest.Run(ctx, cfg) })
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// ask makes a request of a table's stream and gives its end.
func (r *rig) ask(kind topics.RequestKind, table string) topics.Request {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	got, err := topics.Ask(ctx, r.cluster, r.names, r.request, topics.Request{Kind: kind, Subject: r.id(table)}, patience, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

// captured folds a table's raw topic into the newest n of each id. Positions of a key must rise
// (I13), and equal ones have equal content.
func (r *rig) captured(table string) map[int]int {
	r.t.Helper()
	out, at := map[int]int{}, map[int]topics.Position{}
	err := r.cluster.ReadToEnd(r.t.Context(), r.names.RawID(r.id(table)), map[int32]int64{0: 0, 1: 0}, func(rec *kgo.Record) error {
		id := r.decode(rec.Key)["id"].(int)
		pos, ok := topics.PositionFrom(topics.Header(rec, topics.HeaderPosition))
		if !ok || pos.Compare(at[id]) < 0 {
			return fmt.Errorf("key %d: position %s comes behind %s", id, pos, at[id])
		}
		same := pos == at[id]
		before, was := out[id]
		at[id] = pos
		delete(out, id)
		if rec.Value != nil {
			if after := plain(r.decode(rec.Value)["after"]); after != nil {
				out[id] = after["n"].(int)
			}
		}
		if now, is := out[id]; same && (now != before || is != was) {
			return fmt.Errorf("key %d: position %s came twice, with n=%d and n=%d", id, pos, before, now)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// plain takes a value out of its union.
func plain(v any) map[string]any {
	m, _ := v.(map[string]any)
	if len(m) == 1 {
		for _, inner := range m {
			if row, ok := inner.(map[string]any); ok {
				return row
			}
		}
	}
	return m
}

func (r *rig) decode(framed []byte) map[string]any {
	id, body, err := schemas.Unframe(framed)
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]any{}
	if err := avro.Unmarshal(r.registry.schema(r.t, id), body, &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// want waits until the tables' snapshots are complete and what is captured of them is what SQL says.
func (r *rig) want(tables ...string) {
	r.t.Helper()
	for _, table := range tables {
		until(r.t, func() string {
			if s := r.state(table).Snapshot; s != topics.SnapshotDone {
				return fmt.Sprintf("the snapshot of table %s is %q", table, s)
			}
			got, want := r.captured(table), r.selected(table)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Sprintf("table %s: captured %.300v, SQL says %.300v", table, got, want)
			}
			return ""
		})
	}
}

func (r *rig) selected(table string) map[int]int {
	r.t.Helper()
	rows, err := r.conn.Query(context.Background(), "SELECT id, n FROM "+table)
	if err != nil {
		r.t.Fatal(err)
	}
	defer rows.Close()
	out := map[int]int{}
	for rows.Next() {
		var id, n int
		if err := rows.Scan(&id, &n); err != nil {
			r.t.Fatal(err)
		}
		out[id] = n
	}
	return out
}

// state gives a table's position record.
func (r *rig) state(table string) topics.PositionRecord {
	r.t.Helper()
	all, err := topics.ReadPositions(r.t.Context(), r.cluster, r.names)
	if err != nil {
		r.t.Fatal(err)
	}
	return all[topics.PositionKey{System: r.system.Name, Stream: table}]
}

// until asks until nothing is said to be wrong.
func until(t *testing.T, wrong func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	poll.Until(ctx, t, "what a test waits for", func() (string, bool) {
		said := wrong()
		return said, said == ""
	})
}

// A hooked source lets a test act in the middle of snapshots.
type hooked struct {
	ingest.Source
	rig *rig
}

func (h *hooked) Snapshot(ctx context.Context, req ingest.SnapshotRequest, out ingest.Emitter) (ingest.Resume, error) {
	if req.First {
		return h.Source.Snapshot(ctx, req, &hookedEmitter{out, h.rig})
	}
	if err := h.rig.before.run(ctx); err != nil {
		return nil, err
	}
	return h.Source.Snapshot(ctx, req, &hookedEmitter{out, h.rig})
}

type hookedEmitter struct {
	ingest.Emitter
	rig *rig
}

func (h *hookedEmitter) Change(ctx context.Context, c ingest.Change) error {
	if err := h.rig.rows.run(ctx); err != nil {
		return err
	}
	return h.Emitter.Change(ctx, c)
}

// A schemaList registers schemas, each under the next id.
type schemaList struct {
	mu     sync.Mutex // protects what is below
	list   []string
	parsed map[int]avro.Schema
}

func (l *schemaList) Register(_ context.Context, _, schema string) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.list {
		if s == schema {
			return i + 1, nil
		}
	}
	l.list = append(l.list, schema)
	return len(l.list), nil
}

func (l *schemaList) schema(t *testing.T, id int) avro.Schema {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.parsed[id]; s != nil {
		return s
	}
	s, err := avro.ParseWithCache(l.list[id-1], "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	if l.parsed == nil {
		l.parsed = map[int]avro.Schema{}
	}
	l.parsed[id] = s
	return s
}
