package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	pgserver "tributary/deploy/postgres"
	"tributary/deploy/postgres/pgtest"
	"tributary/ingest"
)

// An acting emitter records, and does something at each row.
type acting struct {
	*recorder
	rows atomic.Int64
	at   func(n int64) error
}

func (a *acting) Change(ctx context.Context, c ingest.Change) error {
	if err := a.at(a.rows.Add(1)); err != nil {
		return err
	}
	return a.recorder.Change(ctx, c)
}

// try takes a first snapshot of all streams, or goes on with it.
func (f *fixture) try(n uint64, out ingest.Emitter, rec *recorder) (ingest.Resume, error) {
	return f.source.Snapshot(context.Background(), ingest.SnapshotRequest{First: true, Streams: f.streams(), Begun: rec.begun(), Try: n}, out)
}

// begun gives the newest mark of each stream's snapshot.
func (r *recorder) begun() map[int][]byte {
	out := map[int][]byte{}
	for _, e := range r.all() {
		if e.mark != nil && e.mark.Snapshot != nil {
			out[e.mark.Snapshot.Stream] = e.mark.Snapshot.Begun
		}
	}
	return out
}

// errKilled ends a try in its middle.
var errKilled = errors.New("killed")

// killAt ends a try at its row n.
func killAt(rec *recorder, n int64) *acting {
	return &acting{recorder: rec, at: func(row int64) error {
		if row >= n {
			return errKilled
		}
		return nil
	}}
}

// wide is a table of 250 pages, and one for the last change.
const wide = `CREATE TABLE t (id int PRIMARY KEY, n int, pad text);
	INSERT INTO t SELECT i, 0, repeat('x', 600) FROM generate_series(1, 3000) i;
	CREATE TABLE empty (id int PRIMARY KEY)`

// sessions terminates sessions of the source and says how many there were.
func (f *fixture) terminate(conn *pgx.Conn, which string) (n int64) {
	err := conn.QueryRow(context.Background(), `SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE 'tributary/%' `+which+`) s`).Scan(&n)
	if err != nil {
		f.t.Error(err)
	}
	return n
}

// another opens a further session.
func (f *fixture) another() *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(context.Background(), f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// TestBrokenReaders terminates the sessions that read a snapshot of more than 200 ranges, again and
// again, under changes: their ranges are read again, and no others. Tables have ranges from version
// 14 on.
func TestBrokenReaders(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.Version = pgserver.DefaultVersion })
	f := fixtureOn(t, pgtest.Database(t, srv), wide, "t=t", "empty=empty")
	f.source.tuning.RangePages = 1
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() { f.churn(w, &stopped) })
	}
	killer := f.another()
	var mu sync.Mutex // protects killer and kills
	var kills int64
	rec := newRecorder()
	out := &acting{recorder: rec, at: func(n int64) error {
		if n%300 == 0 && n <= 2700 {
			mu.Lock()
			defer mu.Unlock()
			kills += f.terminate(killer, "AND query LIKE 'COPY (SELECT%'")
		}
		return nil
	}}
	resume := f.first(out)
	stopped.Store(true)
	wg.Wait()
	keys := map[string]bool{}
	for _, c := range rec.changes() {
		keys[string(c.Key)] = true
	}
	if again := len(rec.changes()) - len(keys); kills < 9 || int64(again) > 200*kills { // the smallest rows fill a page with fewer
		t.Errorf("after %d sessions were ended %d of %d rows came again", kills, again, len(keys))
	}
	f.stream(resume, rec)
	f.converges(rec)
}

// TestReadersGiveUp ends each session of a range: the snapshot ends, with a clear error.
func TestReadersGiveUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, wide, "t=t", "empty=empty")
	killer := f.another()
	var mu sync.Mutex
	out := &acting{recorder: newRecorder(), at: func(int64) error {
		mu.Lock()
		defer mu.Unlock()
		f.terminate(killer, "AND query LIKE 'COPY (SELECT%'")
		return nil
	}}
	_, err := f.source.Snapshot(t.Context(), ingest.SnapshotRequest{First: true, Streams: []int{0}}, out)
	if sqlState(err) != "57P01" || !strings.Contains(err.Error(), "(t): read the snapshot") {
		t.Errorf("the snapshot ended with %v", err)
	}
}

// TestFirstSnapshotInManyTries ends first snapshots at random rows, by a kill or by the end of the
// session that holds the snapshot, under changes; each try reads what the ones before left.
func TestFirstSnapshotInManyTries(t *testing.T) {
	t.Parallel()
	random := random(t)
	f := newFixture(t, wide, "t=t", "empty=empty")
	f.source.tuning.RangePages = 1 + random.IntN(8)
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() { f.churn(w, &stopped) })
	}
	killer := f.another()
	rec := newRecorder()
	for n := range uint64(4) {
		out := killAt(rec, 1+random.Int64N(700))
		if end := out.at; random.IntN(2) == 0 {
			var once sync.Once
			out.at = func(row int64) error {
				if end(row) != nil {
					once.Do(func() { f.terminate(killer, "ORDER BY backend_start LIMIT 1") })
				}
				return nil
			}
		}
		_, err := f.try(n, out, rec)
		if err == nil || !errors.Is(err, errKilled) && !errors.Is(err, errHolder) && !strings.Contains(err.Error(), "enter the snapshot") {
			t.Fatalf("try %d ended with %v", n, err)
		}
	}
	resume, err := f.try(4, rec, rec)
	if err != nil {
		t.Fatal(err)
	}
	stopped.Store(true)
	wg.Wait()
	f.stream(resume, rec)
	f.converges(rec)
}

// TestBegunSnapshotIsLost damages what a further try needs: it says so, and a new snapshot works.
func TestBegunSnapshotIsLost(t *testing.T) {
	t.Parallel()
	f := newFixture(t, wide, "t=t", "empty=empty")
	f.source.tuning.RangePages, f.source.tuning.SnapshotWorkers = 10, 1
	for _, sql := range []string{
		"", // nothing is lost
		"SELECT pg_drop_replication_slot('SLOT')",
		"SELECT pg_drop_replication_slot('SLOT'), pg_create_logical_replication_slot('SLOT', 'pgoutput')",
		"SET synchronous_commit = on; INSERT INTO empty VALUES (1); SELECT pg_replication_slot_advance('SLOT', pg_current_wal_lsn())",
		"ALTER PUBLICATION SLOT DROP TABLE empty",
		"VACUUM FULL t",
		"TRUNCATE empty",
		"ALTER TABLE t ADD more int",
		"ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (n, id)",
	} {
		rec := newRecorder()
		if _, err := f.try(0, killAt(rec, 1000), rec); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		f.settled()
		for _, one := range strings.Split(strings.ReplaceAll(sql, "SLOT", f.source.slot), ";") {
			f.exec(one)
		}
		if _, err := f.try(1, rec, rec); errors.Is(err, ingest.ErrPositionLost) != (sql != "") || sql == "" && err != nil {
			t.Errorf("after %q the further try ended with %v", sql, err)
		}
	}
	rec := newRecorder()
	if _, err := f.try(0, killAt(rec, 100), rec); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	for _, damage := range [][2]string{{`"table"`, `"tabel`}, {"@", "@7"}, {`"xmin":`, `"xmin":1`}, {`"at":"`, `"at":"?`}} {
		begun := rec.begun()
		begun[0] = []byte(strings.Replace(string(begun[0]), damage[0], damage[1], 1))
		for _, streams := range [][]int{{0}, f.streams()} {
			if _, err := f.source.Snapshot(t.Context(), ingest.SnapshotRequest{First: true, Streams: streams, Begun: begun, Try: 1}, rec); !errors.Is(err, ingest.ErrPositionLost) {
				t.Errorf("with the record %s the further try of streams %v ended with %v", begun[0], streams, err)
			}
		}
	}
}

// TestFurtherTryWaitsForVisibility has a transaction that the slot's snapshot holds wait for its
// visibility: a commit that waits for a standby is decoded, but no other session sees it. A further
// try must wait for it, as the change stream does not repeat it.
func TestFurtherTryWaitsForVisibility(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t)
	f := fixtureOn(t, pgtest.Database(t, srv), `CREATE TABLE t (id int PRIMARY KEY, n int, pad text) WITH (fillfactor = 40);
		INSERT INTO t SELECT i, 0, repeat('x', 600) FROM generate_series(1, 200) i`, "t=t")
	f.source.tuning.RangePages, f.source.tuning.SnapshotWorkers = 1, 1
	first, second, writer := f.another(), f.another(), f.another()
	begin := func(conn *pgx.Conn) (xid string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
			t.Fatal(err)
		}
		if err := conn.QueryRow(t.Context(), "SELECT txid_current()::text").Scan(&xid); err != nil {
			t.Fatal(err)
		}
		return xid
	}
	// The slot's creation waits for open transactions twice; what commits while it waits for the
	// second time is in its snapshot.
	xid := begin(first)
	rec := newRecorder()
	ended := make(chan error, 1)
	go func() { _, err := f.try(0, killAt(rec, 50), rec); ended <- err }()
	waits := "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted AND transactionid::text = '" + xid + "'"
	f.untilCount(waits)
	waits = strings.ReplaceAll(waits, xid, begin(second))
	f.finish(first)
	f.untilCount(waits)
	f.exec(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	f.exec(`SELECT pg_reload_conf()`)
	committed := make(chan error, 2)
	go func() { committed <- f.commitUntilItWaits() }() // the server takes the setting up when it likes
	f.untilCount("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	go func() {
		committed <- writer.PgConn().Exec(context.Background(), "SET synchronous_commit = on; UPDATE t SET n = 1 WHERE id IN (1, 200)").Close()
	}()
	f.untilCount("SELECT count(*) / 2 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
	f.finish(second)
	if err := <-ended; !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	if row := rec.state(t, "id")["1"]; !strings.Contains(row, "n:1") {
		t.Fatalf("the slot's snapshot does not hold the transaction: row 1 is %.30s", row)
	}
	go func() { _, err := f.try(1, rec, rec); ended <- err }()
	f.untilCount("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tributary/%' AND (query LIKE '%txid_snapshot_xmin%' OR query LIKE 'COPY%')")
	f.exec(`ALTER SYSTEM RESET synchronous_standby_names`)
	f.exec(`SELECT pg_reload_conf()`)
	if err := errors.Join(<-ended, <-committed, <-committed); err != nil {
		t.Fatal(err)
	}
	if row := rec.state(t, "id")["200"]; !strings.Contains(row, "n:1") {
		t.Errorf("a transaction is lost: row 200 is %.30s", row)
	}
}

// commitUntilItWaits commits transactions without rows until one had to wait for a standby.
func (f *fixture) commitUntilItWaits() error {
	conn, err := pgx.Connect(context.Background(), f.url)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	watch, err := pgx.Connect(context.Background(), f.url)
	if err != nil {
		return err
	}
	defer watch.Close(context.Background())
	for {
		var names string
		if _, err := conn.Exec(context.Background(), "SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'probe', '')"); err != nil {
			return err
		}
		if err := watch.QueryRow(context.Background(), "SELECT current_setting('synchronous_standby_names')").Scan(&names); err != nil || names == "" {
			return err
		}
	}
}

// untilCount asks until a query counts something.
func (f *fixture) untilCount(sql string) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var n int
		if err := f.conn.QueryRow(context.Background(), sql).Scan(&n); err != nil {
			f.t.Fatal(err)
		}
		if n > 0 {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("nothing came of %s", sql)
		}
	}
}

// finish rolls a session's transaction back.
func (f *fixture) finish(conn *pgx.Conn) {
	f.t.Helper()
	if _, err := conn.Exec(context.Background(), "ROLLBACK"); err != nil {
		f.t.Fatal(err)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	var read spans
	for _, one := range []span{{8, 12}, {0, 4}, {20, tableEnd}, {4, 8}, {10, 12}} {
		read = read.with(one)
	}
	if got, want := fmt.Sprint(read, read.gaps(), spans{}.gaps()), fmt.Sprint(spans{{0, 12}, {20, tableEnd}}, spans{{12, 20}}, spans{{0, tableEnd}}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(span{0, tableEnd}.cut(4, 9), span{3, 9}.cut(4, 5), span{0, tableEnd}.cut(4, 0)),
		fmt.Sprint([]span{{0, 4}, {4, 8}, {8, tableEnd}}, []span{{3, 9}}, []span{{0, tableEnd}}); got != want {
		t.Errorf("cut into %s, want %s", got, want)
	}
}
