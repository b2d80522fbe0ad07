package postgres

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
	"tributary/ingest"
)

// settled waits until the slot has nobody on it.
func (f *fixture) settled() slotState {
	f.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		st, err := f.source.readSlot(context.Background(), f.conn)
		if err != nil {
			f.t.Fatal(err)
		}
		if !st.active {
			return st
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("the slot is still in use: %s", st.user)
		}
	}
}

func TestRestartLosesAndRepeatsNothing(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	for n := range 4 {
		// Two transactions while nobody listens, one while the stream runs.
		f.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", 3*n))
		f.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", 3*n+1))
		stop := f.stream(resume, rec)
		rec.untilChanges(t, 3*n+2)
		f.exec(fmt.Sprintf("INSERT INTO t VALUES (%d)", 3*n+2))
		rec.untilChanges(t, 3*n+3)
		rec.until(t, "the mark behind the change", func(ev []recorded) bool { return ev[len(ev)-1].mark != nil })
		stop()
		resume = rec.Durable()
	}
	changes := rec.changes()
	for i, c := range changes {
		if want := fmt.Sprintf("c map[id:%d] → map[id:%d]", i, i); rec.text(t, c) != want {
			t.Errorf("change %d is %s, want %s", i, rec.text(t, c), want)
		}
	}
	if len(changes) != 12 {
		t.Errorf("%d changes came, want 12", len(changes))
	}
}

// TestConfirmsOnlyWhatIsDurable is I1: without durability the slot stays, and a second run gets
// all again; with it the slot follows promptly and never goes back.
func TestConfirmsOnlyWhatIsDurable(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	begin := f.settled().confirmed
	rec.held = true
	stop := f.stream(resume, rec)
	f.exec("INSERT INTO t VALUES (1)")
	rec.untilChanges(t, 1)
	rec.until(t, "some watermarks", func(ev []recorded) bool { return len(ev) > 20 })
	stop()
	if st := f.settled(); st.confirmed != begin {
		t.Fatalf("the slot was confirmed to %s though nothing was durable behind %s", st.confirmed, begin)
	}
	rec.held = false
	f.stream(resume, rec)
	rec.untilChanges(t, 2)
	rec.until(t, "the slot's confirmation", func([]recorded) bool {
		st, err := f.source.readSlot(context.Background(), f.conn)
		if err != nil {
			t.Fatal(err)
		}
		return st.confirmed > begin
	})
}

// TestBigTransactionInBoundedMemory streams 100,000 rows of one transaction into an emitter that
// keeps nothing.
func TestBigTransactionInBoundedMemory(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, body text)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	f.exec(`INSERT INTO t SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 100000) i`)
	drain := &drainEmitter{recorder: rec}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f.stream(resume, drain)
	rec.until(t, "100,000 changes", func([]recorded) bool { return drain.count.Load() == 100000 })
	if grown := int64(drain.peak.Load()) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// A drainEmitter counts changes and looks at the heap now and then.
type drainEmitter struct {
	*recorder
	count atomic.Int64
	peak  atomic.Uint64
}

func (d *drainEmitter) Change(context.Context, ingest.Change) error {
	if d.count.Add(1)%10000 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		d.peak.Store(max(d.peak.Load(), m.HeapAlloc))
	}
	return nil
}

func TestSlotTakenByAnother(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	f.stream(resume, rec)
	f.exec("INSERT INTO t VALUES (1)")
	rec.untilChanges(t, 1)
	err := f.source.Stream(t.Context(), resume, newRecorder())
	if err == nil || !strings.Contains(err.Error(), "in use by another: pid") || errors.Is(err, ingest.ErrPositionLost) {
		t.Errorf("a second stream got %v", err)
	}
	_, err = f.source.Snapshot(t.Context(), ingest.SnapshotRequest{First: true, Streams: []int{0}}, newRecorder())
	var fault *ingest.Fault
	if !errors.As(err, &fault) || !strings.Contains(fault.Problem, "from 127.0.0.1") || !strings.Contains(fault.Problem, "tributary/test/") {
		t.Errorf("a first snapshot got %v", err)
	}
}

func TestPositionLost(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	resume := f.first(newRecorder())
	cur, err := parseResume(resume)
	if err != nil {
		t.Fatal(err)
	}
	lost := func(what string, from ingest.Resume) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := f.source.Stream(ctx, from, newRecorder()); !errors.Is(err, ingest.ErrPositionLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := cur
	other.system = "7"
	lost("another server", other.append(nil))
	other = cur
	other.timeline = 9
	lost("a timeline of the future", other.append(nil))
	other = cur
	other.lsn -= 1000
	lost("a slot that is beyond our position", other.append(nil))
	f.exec("DROP PUBLICATION " + quote(f.source.slot))
	lost("publication gone", resume)
	f.first(newRecorder())
	f.exec("ALTER PUBLICATION " + quote(f.source.slot) + " DROP TABLE t")
	lost("table not published", resume)
	f.first(newRecorder())
	f.exec("SELECT pg_drop_replication_slot($1)", f.source.slot)
	lost("slot gone", resume)
}

// TestInvalidatedSlot lets the server throw a slot's log away.
func TestInvalidatedSlot(t *testing.T) {
	srv := pgtest.Start(t)
	f := fixtureOn(t, pgtest.Database(t, srv), `CREATE TABLE t (id int PRIMARY KEY, body text)`, "t=t")
	resume := f.first(newRecorder())
	f.exec("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
	f.exec("SELECT pg_reload_conf()")
	for range 4 {
		f.exec("INSERT INTO t SELECT (SELECT count(*) FROM t) + i, repeat(md5(i::text), 20) FROM generate_series(1, 10000) i")
		f.exec("SELECT pg_switch_wal()")
		f.exec("CHECKPOINT")
	}
	if st := f.settled(); st.walStatus != "lost" {
		t.Fatalf("wal_status is %s", st.walStatus)
	}
	if err := f.source.Stream(t.Context(), resume, newRecorder()); !errors.Is(err, ingest.ErrPositionLost) {
		t.Errorf("the stream got %v", err)
	}
	found := false
	for _, x := range Check(t.Context(), ingest.Options{Mesh: "test", System: f.source.system}) {
		found = found || x.Level == Fail && strings.Contains(x.Text, "was invalidated")
	}
	if !found {
		t.Error("the check-up does not tell of the lost slot")
	}
	rec := newRecorder()
	f.first(rec)
	if n := len(rec.changes()); n != 40000 {
		t.Errorf("the new first snapshot has %d rows", n)
	}
}

// TestServerCrash kills the server under the stream; a second run goes on.
func TestServerCrash(t *testing.T) {
	srv := pgtest.Start(t)
	f := fixtureOn(t, pgtest.Database(t, srv), `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	ended := make(chan error, 1)
	go func() { ended <- f.source.Stream(context.Background(), resume, rec) }()
	f.exec("INSERT INTO t VALUES (1)")
	rec.untilChanges(t, 1)
	rec.until(t, "the mark", func(ev []recorded) bool { return ev[len(ev)-1].mark != nil })
	if err := srv.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || errors.Is(err, ingest.ErrPositionLost) {
		t.Errorf("the stream ended with %v", err)
	}
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), f.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	f.stream(rec.Durable(), rec)
	wantTexts(t, texts(t, rec, rec.untilChanges(t, 2)), []string{"c map[id:1] → map[id:1]", "c map[id:2] → map[id:2]"})
}
