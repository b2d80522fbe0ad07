package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// paged is a table of 280 rows, seven to a page, so that a test can say which page a row is in.
const paged = `CREATE TABLE a (id int PRIMARY KEY, n int, pad text STORAGE PLAIN) WITH (autovacuum_enabled = off);
	INSERT INTO a SELECT i, 0, repeat('x', 1000) FROM generate_series(1, 280) i;`

// page gives the page of a row.
func (r *rig) page(id int) (page int) {
	r.t.Helper()
	if err := r.conn.QueryRow(context.Background(), "SELECT split_part(trim('(' FROM ctid::text), ',', 1)::int FROM a WHERE id = $1", id).Scan(&page); err != nil {
		r.t.Fatal(err)
	}
	return page
}

// quiet waits until no session of a capture is left on the database.
func (r *rig) quiet() {
	r.t.Helper()
	until(r.t, func() string {
		var n int
		if err := r.conn.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tributary/%'").Scan(&n); err != nil {
			r.t.Fatal(err)
		}
		if n > 0 {
			return fmt.Sprintf("%d sessions are left", n)
		}
		return ""
	})
}

// fresh runs sql on a new session, which remembers no page with room.
func (r *rig) fresh(sql string) {
	r.t.Helper()
	conn, err := pgx.Connect(context.Background(), r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), sql); err != nil {
		r.t.Fatalf("%s: %v", sql, err)
	}
}

// stopMidway begins a first snapshot and ends it, in the way of a kill, once half of it is durable.
func (r *rig) stopMidway() {
	r.t.Helper()
	r.tuning.RangePages, r.tuning.SnapshotWorkers = 4, 1
	var n atomic.Int32
	inside := make(chan struct{})
	r.rows.set(func(ctx context.Context) error {
		if n.Add(1) == 150 { // pages 0 to 19 are read, and a part of 20 to 23
			close(inside)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	stop := r.start()
	<-inside
	until(r.t, func() string {
		if s := r.state("a"); !strings.Contains(string(s.Detail), "[[0,20]]") {
			return fmt.Sprintf("on record is %s", s.Detail)
		}
		return ""
	})
	stop()
	r.quiet()
	r.rows.set(func(context.Context) error { n.Add(1); return nil })
	n.Store(0)
	r.read = &n
}

// moveRows moves row 280 from a page that was not read into one that was, and row 8 the other way.
func (r *rig) moveRows() {
	r.t.Helper()
	r.exec("DELETE FROM a WHERE id = 2")
	r.exec("VACUUM a")
	r.fresh("UPDATE a SET n = 1 WHERE id = 280")
	r.fresh("UPDATE a SET n = 1 WHERE id = 8")
	if there, back := r.page(280), r.page(8); there != 0 || back < 40 {
		r.t.Fatalf("the rows stand in pages %d and %d", there, back)
	}
}

// TestFirstSnapshotGoesOn kills a first snapshot of a new epoch half-way. The next session reads the
// rest in the same epoch; rows that moved between what was read and what was not are neither lost
// nor deleted in between, and what went while the slot was lost is deleted (I5).
func TestFirstSnapshotGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, paged, "a")
	stop := r.start()
	r.want("a")
	stop()
	r.quiet()
	r.exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
	r.exec("DELETE FROM a WHERE id IN (10, 270)")
	r.exec("VACUUM a")
	r.fresh("INSERT INTO a SELECT i, 0, repeat('x', 1000) FROM generate_series(500, 501) i") // in their places
	r.stopMidway()
	r.moveRows()
	r.exec("UPDATE a SET n = 2 WHERE id = 30; DELETE FROM a WHERE id IN (31, 260); INSERT INTO a VALUES (1000, 3)")
	r.start()
	r.want("a")
	s := r.state("a")
	if s.Epoch != 2 || len(s.Detail) > 0 {
		t.Errorf("the stream is %+v, want epoch 2", s)
	}
	if n := r.read.Load(); n < 100 || n > 160 {
		t.Errorf("%d rows were read again, want the 137 that were left and the few that changed", n)
	}
	// Row 260 was read by nobody in this epoch, and was gone before the rest was read.
	if gone := r.deleted("not-repeated"); len(gone) != 3 || !gone[10] || !gone[270] || !gone[260] {
		t.Errorf("%v were deleted as not repeated, want 10, 260 and 270", gone)
	}
}

// deleted gives the keys that were deleted for a reason.
func (r *rig) deleted(reason string) map[int]bool {
	r.t.Helper()
	out := map[int]bool{}
	err := r.cluster.ReadToEnd(r.t.Context(), r.names.RawID(r.id("a")), map[int32]int64{0: 0, 1: 0}, func(rec *kgo.Record) error {
		if string(topics.Header(rec, topics.HeaderReason)) == reason {
			out[r.decode(rec.Key)["id"].(int)] = true
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestFirstSnapshotBeginsAnew kills a first snapshot half-way and has the table rewritten, which
// moves rows without a trace in the log: a new epoch begins.
func TestFirstSnapshotBeginsAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t, paged, "a")
	r.stopMidway()
	r.exec("ALTER TABLE a ALTER COLUMN id TYPE int USING id + 1000")
	r.start()
	r.want("a")
	if s := r.state("a"); s.Epoch != 2 {
		t.Errorf("the stream is %+v, want epoch 2", s)
	}
	if gone := r.deleted("not-repeated"); !gone[1] || gone[280] {
		t.Errorf("%d keys were deleted as not repeated, want those that were read", len(gone))
	}
}

// TestSessionsEndInFirstSnapshot ends every session of the database again and again while the first
// snapshot runs under changes.
func TestSessionsEndInFirstSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables+`CREATE TABLE c (id int PRIMARY KEY, n int, pad text STORAGE PLAIN);
		INSERT INTO c SELECT i, 0, repeat('x', 1000) FROM generate_series(1, 600) i`, "a", "b", "c")
	r.tuning.RangePages = 1
	writer, err := pgx.Connect(t.Context(), r.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writer.Close(context.Background()) })
	var mu sync.Mutex // protects all below
	rows, kills := 0, 0
	r.rows.set(func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		rows++
		sql := ""
		if rows%5 == 0 {
			sql = fmt.Sprintf(`UPDATE c SET n = n + 1 WHERE id = %d; UPDATE c SET id = id + 10000 WHERE id = %d; DELETE FROM c WHERE id = %d;
				INSERT INTO c VALUES (%d, 1, repeat('y', 1000)); UPDATE a SET n = n + 1 WHERE id = %d;`,
				rows*7919%600, rows*104729%600, rows*1299709%600, 20000+rows, rows%50)
		}
		if rows%150 == 0 && kills < 4 {
			kills++
			sql += "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tributary/%';"
		}
		return writer.PgConn().Exec(context.WithoutCancel(ctx), sql).Close()
	})
	r.start()
	r.want("a", "b", "c")
	mu.Lock()
	defer mu.Unlock()
	if s := r.state("a"); s.Epoch != 1 || kills < 4 {
		t.Errorf("after %d kills the stream is %+v, want epoch 1", kills, s)
	}
}
