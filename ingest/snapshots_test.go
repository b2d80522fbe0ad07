package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
	"tributary/topics"
)

const twoTables = `CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int PRIMARY KEY, n int);
	INSERT INTO a SELECT i, 0 FROM generate_series(1, 50) i; INSERT INTO b SELECT i, 0 FROM generate_series(1, 50) i;`

// ghost writes a row into a raw topic that the table does not have: what a missed delete leaves.
func (r *rig) ghost(table string) {
	r.t.Helper()
	var like *kgo.Record
	topic := r.names.RawID(r.id(table))
	err := r.cluster.ReadToEnd(r.t.Context(), topic, map[int32]int64{0: 0, 1: 0}, func(rec *kgo.Record) error { like = rec; return nil })
	if err != nil {
		r.t.Fatal(err)
	}
	cl, err := r.cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		r.t.Fatal(err)
	}
	defer cl.Close()
	body := schemas.AppendLong(nil, 9999)
	rec := &kgo.Record{Topic: topic, Partition: topics.Partition(body, partitions), Headers: like.Headers, Value: like.Value,
		Key: append(append([]byte(nil), like.Key[:schemas.FrameSize]...), body...)}
	if err := cl.ProduceSync(r.t.Context(), rec).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
	if _, there := r.captured(table)[9999]; !there {
		r.t.Fatal("the ghost is not there")
	}
}

// churn changes both tables until stop is called.
func (r *rig) churn() (stop func()) {
	conn, err := pgx.Connect(r.t.Context(), r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	var stopped atomic.Bool
	ended := make(chan error, 1)
	go func() {
		defer conn.Close(context.Background())
		pace := time.NewTicker(5 * time.Millisecond) // so that what is written can be read again and again
		defer pace.Stop()
		for i := 0; !stopped.Load(); i++ {
			<-pace.C
			sql := fmt.Sprintf(`BEGIN; UPDATE a SET n = n + 1 WHERE id %% 7 = %d; DELETE FROM a WHERE id = %d; INSERT INTO a VALUES (%d, %d);
				UPDATE b SET n = n + 1 WHERE id %% 5 = %d; UPDATE a SET id = id + 100000 WHERE id = %d; COMMIT`, i%7, i%50, 1000+i, i, i%5, 1000+i-3)
			if err := conn.PgConn().Exec(context.Background(), sql).Close(); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	return func() {
		r.t.Helper()
		stopped.Store(true)
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	}
}

// TestLostSlotIsHealed is I5: rows that were deleted while the slot was gone are deleted by the
// snapshot that follows.
func TestLostSlotIsHealed(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a", "b")
	stop := r.start()
	r.want("a", "b")
	stop()
	until(t, func() string { // the server needs a moment to see that the stream is gone
		_, err := r.conn.Exec(t.Context(), "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
		if err != nil {
			return err.Error()
		}
		return ""
	})
	r.exec("DELETE FROM a WHERE id % 2 = 0; UPDATE a SET n = 7 WHERE id = 1; TRUNCATE b")
	r.start()
	r.want("a", "b")
	if got := r.state("a"); got.Epoch != 2 {
		t.Errorf("epoch %d, want 2", got.Epoch)
	}
}

// TestSnapshotOfOneStream repeats the snapshot of one stream while both change: what was missed is
// mended, all converges, and the other stream's epoch and rows stay as they were.
func TestSnapshotOfOneStream(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a", "b")
	r.start()
	r.want("a", "b")
	r.ghost("a")
	r.ghost("b")
	stop := r.churn()
	// Changes that the paused stream has not seen, but the snapshot has.
	r.before.set(func(context.Context) error {
		r.exec("DELETE FROM a WHERE id BETWEEN 10 AND 20; INSERT INTO a VALUES (77777, 1)")
		return nil
	})
	got := r.ask(topics.SnapshotStart, "a")
	if got.State != topics.RequestDone || !strings.Contains(got.Outcome, "rows read, ") || got.Owner != "test" {
		t.Fatalf("the request ended as %+v", got)
	}
	stop()
	r.want("a")
	if got := r.captured("b"); got[9999] != 0 || len(got) != 51 {
		t.Errorf("stream b has %d rows, want its own and the ghost", len(got))
	}
	if a, b := r.state("a"), r.state("b"); a.Epoch != 2 || b.Epoch != 1 || a.Snapshot != topics.SnapshotDone {
		t.Errorf("epochs %d and %d, want 2 and 1; snapshot %q", a.Epoch, b.Epoch, a.Snapshot)
	}
	r.exec("TRUNCATE a")
	r.want("a")
	r.exec("INSERT INTO a VALUES (1, 1)")
	r.want("a")
}

// TestTruncateMeetsSnapshot truncates between the pause of the stream and the snapshot.
func TestTruncateMeetsSnapshot(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a", "b")
	r.start()
	r.want("a", "b")
	r.before.set(func(context.Context) error { r.exec("TRUNCATE a; INSERT INTO a VALUES (3, 3)"); return nil })
	if got := r.ask(topics.SnapshotStart, "a"); got.State != topics.RequestDone {
		t.Fatalf("the request ended as %+v", got)
	}
	r.want("a", "b")
}

// TestKilledSnapshotIsTakenAgain ends the session in the middle of a snapshot, in the way of a
// kill: the next one begins a higher epoch and answers the request.
func TestKilledSnapshotIsTakenAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a", "b")
	stop := r.start()
	r.want("a", "b")
	r.ghost("a")
	inside := make(chan struct{})
	var n atomic.Int32
	r.rows.set(func(ctx context.Context) error {
		if n.Add(1) == 25 {
			close(inside)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	asked := make(chan topics.Request, 1)
	go func() { asked <- r.ask(topics.SnapshotStart, "a") }()
	<-inside
	stop()
	r.exec("DELETE FROM a WHERE id > 40")
	if got := r.state("a"); got.Snapshot != topics.SnapshotRepeating || got.Epoch != 2 {
		t.Errorf("after the kill the stream is %+v", got)
	}
	r.start()
	if got := <-asked; got.State != topics.RequestDone {
		t.Fatalf("the request ended as %+v", got)
	}
	r.want("a", "b")
	if got := r.state("a"); got.Epoch != 3 || got.Snapshot != topics.SnapshotDone {
		t.Errorf("the stream is %+v, want epoch 3", got)
	}
}

// TestCancelledAndFailedSnapshotsDeleteNothing is I5's other half.
func TestCancelledAndFailedSnapshotsDeleteNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a", "b")
	r.start()
	r.want("a", "b")
	r.ghost("a")
	inside := make(chan struct{})
	var n atomic.Int32
	r.rows.set(func(ctx context.Context) error {
		if n.Add(1) == 25 {
			close(inside)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	})
	asked := make(chan topics.Request, 1)
	go func() { asked <- r.ask(topics.SnapshotStart, "a") }()
	<-inside
	if got := r.ask(topics.SnapshotCancel, "a"); got.State != topics.RequestDone {
		t.Errorf("the cancellation ended as %+v", got)
	}
	if got := <-asked; got.State != topics.RequestCancelled || !strings.Contains(got.Outcome, "nothing was deleted") {
		t.Errorf("the request ended as %+v", got)
	}
	r.before.set(func(context.Context) error { return errors.New("the disk is on fire") })
	if got := r.ask(topics.SnapshotStart, "a"); got.State != topics.RequestFailed || got.Outcome != "the disk is on fire" {
		t.Errorf("the request ended as %+v", got)
	}
	if got := r.captured("a"); len(got) != 51 {
		t.Errorf("%d rows are left, want 50 and the ghost", len(got))
	}
	r.exec("UPDATE a SET n = 5")
	until(t, func() string {
		if got := r.captured("a")[50]; got != 5 {
			return fmt.Sprintf("the stream did not go on: n is %d", got)
		}
		return ""
	})
	r.before.Store(nil)
	if got := r.ask(topics.SnapshotStart, "a"); got.State != topics.RequestDone || !strings.Contains(got.Outcome, "50 rows read, 1 deleted") {
		t.Errorf("the request ended as %+v", got)
	}
	r.want("a", "b")
	for kind, table := range map[topics.RequestKind]string{topics.SnapshotCancel: "a", topics.SnapshotStart: "nothing"} {
		if got := r.ask(kind, table); got.State != topics.RequestFailed {
			t.Errorf("%s of %s ended as %+v", kind, table, got)
		}
	}
}

// TestStreamAddedLater gives a stream that is new in the manifest its own snapshot; the others go
// on where they were.
func TestStreamAddedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, twoTables, "a")
	stop := r.start()
	r.want("a")
	stop()
	r.exec("UPDATE a SET n = 2; UPDATE b SET n = 3")
	r.declare("a", "b")
	r.start()
	r.want("a", "b")
	r.exec("UPDATE a SET n = 4; DELETE FROM b WHERE id = 1")
	r.want("a", "b")
	if a, b := r.state("a"), r.state("b"); a.Epoch != 1 || b.Epoch != 1 || b.Snapshot != topics.SnapshotDone {
		t.Errorf("the streams are %+v and %+v, want epoch 1 of both", a, b)
	}
}
