package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	pgserver "tributary/deploy/postgres"
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
	t.Parallel()
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
	t.Parallel()
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

func TestSlotTakenByAnother(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	f.stream(resume, rec)
	f.exec("INSERT INTO t VALUES (1)")
	rec.untilChanges(t, 1)
	other := f.open(f.url, "t=t")
	other.tuning.SlotPatience = time.Millisecond
	err := other.Stream(t.Context(), resume, newRecorder())
	if err == nil || !strings.Contains(err.Error(), "in use by another: pid") || errors.Is(err, ingest.ErrPositionLost) {
		t.Errorf("a second stream got %v", err)
	}
	_, err = other.Snapshot(t.Context(), ingest.SnapshotRequest{First: true, Streams: []int{0}}, newRecorder())
	var fault *ingest.Fault
	if !errors.As(err, &fault) || !strings.Contains(fault.Problem, "from 127.0.0.1") || !strings.Contains(fault.Problem, "tributary/test/") {
		t.Errorf("a first snapshot got %v", err)
	}
}

func TestPositionLost(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.Version = pgserver.DefaultVersion })
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
	t.Parallel()
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

// TestOldestServer captures from version 12, whose commands and catalogs lack the most.
func TestOldestServer(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.Version = "12" })
	f := fixtureOn(t, pgtest.Database(t, srv), big+`CREATE TABLE t (id int PRIMARY KEY, n int, body text); INSERT INTO t VALUES (1, 1, big(1))`, "t=t")
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	f.exec("UPDATE t SET n = 2")
	v := flat(rec.decode(t, rec.untilChanges(t, 2)[1].Value)["after"]).(map[string]any)
	if v["n"] != 2 || short(v["body"]) != short(text(t, f, "big(1)")) {
		t.Errorf("the update came as n=%v body=%s", v["n"], short(v["body"]))
	}
	now := f.clock()
	rec.until(t, "a watermark", func(ev []recorded) bool {
		m := ev[len(ev)-1].mark
		return m != nil && m.Watermark.After(now)
	})
}

// TestKeyLostMidStream drops a primary key; inserts that follow have none for ever.
func TestKeyLostMidStream(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	resume := f.first(newRecorder())
	f.exec(`ALTER TABLE t DROP CONSTRAINT t_pkey`)
	f.exec(`INSERT INTO t VALUES (1)`)
	if err := f.source.Stream(t.Context(), resume, newRecorder()); !errors.Is(err, ingest.ErrPositionLost) || !strings.Contains(err.Error(), "primary key") {
		t.Errorf("the stream ended with %v", err)
	}
	var fault *ingest.Fault
	if _, err := f.source.Discover(t.Context()); !errors.As(err, &fault) || !strings.Contains(fault.Mend, "ADD PRIMARY KEY") {
		t.Errorf("Discover says %v", err)
	}
	f.exec(`ALTER TABLE t ADD PRIMARY KEY (id)`)
	rec := newRecorder()
	f.first(rec)
	wantTexts(t, texts(t, rec, rec.changes()), []string{"r map[id:1] → map[id:1]"})
}
