package postgres

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"tributary/ingest"
	"tributary/topics"
)

// state folds changes into the last row of each key. It fails the test when positions of a key
// do not rise; rows of a snapshot may come again, if they are the same.
func (r *recorder) state(t testing.TB, key string) map[string]string {
	t.Helper()
	type position struct {
		major topics.Major
		minor uint64
	}
	out, at := map[string]string{}, map[string]position{}
	for _, c := range r.changes() {
		k := fmt.Sprint(r.decode(t, c.Key)[key])
		after := flat(r.decode(t, c.Value)["after"])
		p, ok := at[k]
		again := c.Op == ingest.OpRead && p == position{c.Major, c.Minor} && out[k] == fmt.Sprint(after)
		if ok && !again && (p.major.Compare(c.Major) > 0 || p.major == c.Major && p.minor >= c.Minor) {
			t.Errorf("key %s: position %x:%d comes behind %x:%d", k, c.Major, c.Minor, p.major, p.minor)
		}
		at[k] = position{c.Major, c.Minor}
		if after == nil {
			delete(out, k)
		} else {
			out[k] = fmt.Sprint(after)
		}
	}
	return out
}

// TestSnapshotUnderLoadMeetsTheStream reads ranges in parallel while rows are written, moved and
// deleted, and compares what comes of snapshot and stream with the table.
func TestSnapshotUnderLoadMeetsTheStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, n int, pad text);
		INSERT INTO t SELECT i, 0, repeat('x', 200) FROM generate_series(1, 3000) i;
		CREATE TABLE empty (id int PRIMARY KEY)`, "t=t", "empty=empty")
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() { f.churn(w, &stopped) })
	}
	rec := newRecorder()
	resume := f.first(rec)
	reads := len(rec.changes())
	f.stream(resume, rec)
	rec.until(t, "changes behind the snapshot", func(ev []recorded) bool { return len(ev) > reads+300 })
	stopped.Store(true)
	wg.Wait()
	f.converges(rec)
}

// converges waits for the last change and compares what came of table t with the table.
func (f *fixture) converges(rec *recorder) {
	t := f.t
	t.Helper()
	f.exec("INSERT INTO empty VALUES (9999999)")
	rec.until(t, "the last change", func(ev []recorded) bool {
		c := rec.changes()
		return c[len(c)-1].Stream == 1
	})
	got := rec.state(t, "id")
	delete(got, "9999999")
	rows, err := f.conn.Query(context.Background(), "SELECT id, n, pad FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id, v int
		var pad string
		if err := rows.Scan(&id, &v, &pad); err != nil {
			t.Fatal(err)
		}
		n++
		if want := fmt.Sprintf("map[id:%d n:%d pad:%s]", id, v, pad); got[fmt.Sprint(id)] != want {
			t.Errorf("key %d: %.60s, the table has %.60s", id, got[fmt.Sprint(id)], want)
		}
	}
	if len(got) != n {
		t.Errorf("%d keys came, the table has %d", len(got), n)
	}
}

// churn writes until it is stopped.
func (f *fixture) churn(w int, stopped *atomic.Bool) {
	conn, err := pgx.Connect(context.Background(), f.url)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for i := 0; !stopped.Load(); i++ {
		base := w*1500 + i*7%1400
		sql := fmt.Sprintf(`BEGIN; UPDATE t SET n = n + 1, pad = repeat('y', %d) WHERE id = %d; DELETE FROM t WHERE id = %d;
			INSERT INTO t VALUES (%d, %d, 'new'); UPDATE t SET id = %d WHERE id = %d; COMMIT`,
			i%400, base+1, base+2, 10000+w*100000+i, i, 500000+w*100000+i, base+3)
		if err := conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
			f.t.Error(err)
			return
		}
	}
}

func TestRepeatedSnapshotStandsBehindTheGivenPosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO b VALUES (1), (2)`, "a=a", "b=b")
	rec := newRecorder()
	f.source.system.Streams = f.source.system.Streams[:1]
	f.first(rec)
	f.source = f.open(f.url, "a=a", "b=b") // stream b is added
	after := topics.MajorOf(0x1234)
	resume, err := f.source.Snapshot(t.Context(), ingest.SnapshotRequest{Streams: []int{1}, After: after}, rec)
	if err != nil || resume != nil {
		t.Fatalf("resume %q, error %v", resume, err)
	}
	changes := rec.changes()
	if len(changes) != 2 || changes[1].Major != after || changes[1].Minor != math.MaxUint64 || changes[1].Stream != 1 {
		t.Fatalf("changes are %+v", changes)
	}
	if got := rec.decode(t, changes[0].Value)["source"].(map[string]any)["snapshot"]; got != "incremental" {
		t.Errorf("source.snapshot is %v", got)
	}
	var tables int
	if err := f.conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_publication_tables WHERE pubname = $1", f.source.slot).Scan(&tables); err != nil || tables != 2 {
		t.Errorf("%d tables are published: %v", tables, err)
	}
}

// TestRewrittenTableIsTakenAgain rewrites a table between the export of a snapshot and its
// reading: the snapshot would see no rows, so it must fail.
func TestRewrittenTableIsTakenAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, n int); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1, 1)`, "a=a", "b=b")
	rewriter := &rewritingEmitter{recorder: newRecorder(), f: f}
	_, err := f.source.Snapshot(t.Context(), ingest.SnapshotRequest{First: true, Streams: []int{0, 1}}, rewriter)
	if err == nil || !strings.Contains(err.Error(), "was rewritten") || !strings.Contains(err.Error(), ".b (b)") {
		t.Fatalf("the snapshot of a rewritten table gave %v", err)
	}
	rec := newRecorder()
	f.first(rec)
	if n := len(rec.changes()); n != 2 {
		t.Errorf("taken again it has %d rows", n)
	}
}

// A rewritingEmitter rewrites table b once, when the contract of a comes.
type rewritingEmitter struct {
	*recorder
	f    *fixture
	once sync.Once
}

func (r *rewritingEmitter) Contract(ctx context.Context, c ingest.Contract) (ingest.SchemaIDs, error) {
	r.once.Do(func() { r.f.exec("ALTER TABLE b ALTER COLUMN n TYPE int8") })
	return r.recorder.Contract(ctx, c)
}

func TestSplitCopyText(t *testing.T) {
	t.Parallel()
	r := &rowReader{tuple: make(tuple, 4)}
	if err := r.split([]byte(`a\tb` + "\t" + `\N` + "\t\t" + `\\N\n\r\b\f\v`)); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a\tb", "", "", "\\N\n\r\b\f\v"} {
		if got := string(r.tuple[i].text); got != want || (r.tuple[i].kind == kindNull) != (i == 1) {
			t.Errorf("column %d is %q (%c), want %q", i, got, r.tuple[i].kind, want)
		}
	}
	for _, line := range []string{"a\tb\tc", "a\tb\tc\td\te"} {
		if r.split([]byte(line)) == nil {
			t.Errorf("%q was taken for four columns", line)
		}
	}
}
