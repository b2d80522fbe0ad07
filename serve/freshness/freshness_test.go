package freshness

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tributary/mesh"
	"tributary/sinks/views"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func testMesh() *mesh.Mesh {
	erp := &mesh.System{Name: "erp"}
	a, b := &mesh.Stream{System: erp, Name: "a"}, &mesh.Stream{System: erp, Name: "b"}
	erp.Streams = []*mesh.Stream{a, b}
	return &mesh.Mesh{Name: "m", Systems: []*mesh.System{erp}, Entities: []*mesh.Entity{
		{Name: "both", Contributions: []*mesh.Block{{From: a}, {From: b}}},
		{Name: "one", Contributions: []*mesh.Block{{From: b}}},
		{Name: "none"},
	}}
}

func tracker() *Tracker { return New(testMesh(), 2, func() time.Time { return epoch }) }

func update(t *testing.T, tr *Tracker, entity string, partition int32, stream string, ago time.Duration) {
	t.Helper()
	if err := tr.Update(entity, partition, []views.Frontier{{Partition: partition, Stream: stream, Through: epoch.Add(-ago)}}); err != nil {
		t.Fatal(err)
	}
}

var bounds = BoundsOf(nil)

// TestLeastFrontier: an answer has the least frontier of the streams and partitions it read,
// and one that is unknown makes all of it unknown (I4).
func TestLeastFrontier(t *testing.T) {
	tr := tracker()
	check := func(what string, got, want Reading) {
		t.Helper()
		if !got.Through.Equal(want.Through) || got.State != want.State {
			t.Errorf("%s: %v %v, want %v %v", what, got.State, got.Through, want.State, want.Through)
		}
	}
	unknown := Reading{State: Unknown}
	check("never verified", tr.Snapshot("both").Row(0, nil, bounds, epoch), unknown)
	update(t, tr, "both", 0, "erp.a", time.Second)
	check("one stream missing", tr.Snapshot("both").Row(0, nil, bounds, epoch), unknown)
	update(t, tr, "both", 0, "erp.b", 15*time.Second)
	check("row", tr.Snapshot("both").Row(0, nil, bounds, epoch), Reading{epoch.Add(-15 * time.Second), Lagging})
	check("list, a partition missing", tr.Snapshot("both").View(All, bounds, epoch), unknown)
	update(t, tr, "both", 1, "erp.a", 61*time.Second)
	update(t, tr, "both", 1, "erp.b", time.Second)
	check("list", tr.Snapshot("both").View(All, bounds, epoch), Reading{epoch.Add(-61 * time.Second), Stalled})
	check("other entity", tr.Snapshot("one").View(All, bounds, epoch), unknown)
	check("entity without streams", tr.Snapshot("none").View(All, bounds, epoch), unknown)
	held := []Held{{"erp.a", epoch.Add(-20 * time.Second)}, {"erp.gone", epoch.Add(-time.Hour)}}
	check("held row caps its stream", tr.Snapshot("both").Row(0, held, bounds, epoch), Reading{epoch.Add(-20 * time.Second), Degraded})
	future := []Held{{"erp.a", epoch.Add(time.Hour)}}
	check("a cap never raises", tr.Snapshot("both").Row(0, future, bounds, epoch), Reading{epoch.Add(-15 * time.Second), Degraded})
	if d, ok := (Reading{Through: epoch.Add(time.Hour)}).Staleness(epoch); d != 0 || !ok {
		t.Errorf("staleness of a source whose clock is ahead: %v", d)
	}
}

// TestSnapshotsStand: what a request took before its read does not change under it.
func TestSnapshotsStand(t *testing.T) {
	tr := tracker()
	before := tr.Snapshot("one")
	update(t, tr, "one", 0, "erp.b", 0)
	update(t, tr, "one", 1, "erp.b", 0)
	tr.SetStream("erp.b", StreamStatus{DownSince: epoch})
	if r := before.View(All, bounds, epoch); r.State != Unknown || !r.Through.IsZero() {
		t.Errorf("the old snapshot changed: %+v", r)
	}
	if r := tr.Snapshot("one").View(All, bounds, epoch); r.State != Stalled || !r.Through.Equal(epoch) {
		t.Errorf("the new snapshot: %+v", r)
	}
}

func TestUpdateRefuses(t *testing.T) {
	tr := tracker()
	for _, err := range []error{tr.Update("nobody", 0, nil), tr.Update("one", 2, nil), tr.Update("one", -1, nil)} {
		if err == nil {
			t.Error("an update of what is not there was taken")
		}
	}
	if err := tr.Update("one", 0, []views.Frontier{{Stream: "erp.former"}}); err != nil {
		t.Error(err)
	}
	if tr.Snapshot("nobody") != nil {
		t.Error("a snapshot of an unknown entity")
	}
}

func TestBounds(t *testing.T) {
	field := func(warn, err time.Duration) *mesh.Field {
		return &mesh.Field{Freshness: mesh.Freshness{Warn: warn, Error: err}}
	}
	for _, c := range []struct {
		fields []*mesh.Field
		want   Bounds
	}{
		{nil, Bounds{DefaultWarn, DefaultError}},
		{[]*mesh.Field{field(0, 0), field(30*time.Second, 5*time.Minute)}, Bounds{30 * time.Second, 5 * time.Minute}},
		{[]*mesh.Field{field(30*time.Second, 5*time.Minute), field(time.Second, 0)}, Bounds{time.Second, 5 * time.Minute}},
		{[]*mesh.Field{field(2*time.Hour, 0)}, Bounds{2 * time.Hour, 2 * time.Hour}},
	} {
		if got := BoundsOf(c.fields); got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}

// TestConcurrentUse is for the race detector: writers and readers at once.
func TestConcurrentUse(t *testing.T) {
	tr := tracker()
	var wg sync.WaitGroup
	for p := range int32(2) {
		wg.Go(func() {
			for i := range 500 {
				if err := tr.Update("both", p, []views.Frontier{{Stream: "erp.a", Through: epoch.Add(time.Duration(i))}, {Stream: "erp.b", Through: epoch.Add(time.Duration(i))}}); err != nil {
					t.Error(err)
				}
				tr.SetStream("erp.a", StreamStatus{DeadLetters: int64(i)})
			}
		})
		wg.Go(func() {
			last := time.Time{}
			for range 500 {
				s := tr.Snapshot("both")
				at := s.Row(p, nil, bounds, epoch).Through
				if at.Before(last) {
					t.Errorf("a frontier went back from %v to %v", last, at)
				}
				last = at
				s.AppendStreams(nil, All, nil, bounds, epoch)
			}
		})
	}
	wg.Wait()
}
