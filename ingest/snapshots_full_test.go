//go:build full

package ingest_test

import (
	"context"
	"strings"
	"testing"

	"tributary/topics"
)

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
