package resolve

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/processors/state"
	"tributary/schemas"
	"tributary/topics"
)

// wrote compares what a transaction wrote.
func wrote(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: wrote %q, want %q", what, got, want)
	}
}

// I2, I13: whatever comes in which order, a row is what its highest position says, and stays it
// in the topic when that is compacted.
func TestTheNewestPositionCounts(t *testing.T) {
	r := newRig(t)
	w := r.open()
	wrote(t, "a row", r.tell(w, "erp:P1@2 new"), "P1 new -")
	wrote(t, "an older one of it", r.tell(w, "erp:P1@1 old"), "repair live=true")
	wrote(t, "the same again", r.tell(w, "erp:P1@2 new"))
	wrote(t, "two in one transaction", r.tell(w, "erp:P1@4 newer", "erp:P1@3 between"), "repair live=true", "P1 newer -")
	wrote(t, "a retraction and an older row", r.tell(w, "erp:P1@6", "erp:P1@5 late"), "repair live=false")
	if r.repaired != 3 {
		t.Errorf("%d repairs are counted, want 3", r.repaired)
	}
}

// A repair says what the newest record said, with its position: else it would be older itself.
func TestARepairIsTheNewestRecord(t *testing.T) {
	r := newRig(t)
	w := r.open()
	for _, newest := range []string{"erp:P1@7 new", "erp:P1@9"} {
		want := r.send(newest)[0]
		r.step(w, want)
		late := r.send("erp:P1@6 late")[0]
		out := &processors.Output{}
		if _, err := w.Apply(t.Context(), processors.Batch{Records: []*kgo.Record{late}, Next: late.Offset + 1, End: late.Offset + 1}, out); err != nil {
			t.Fatal(err)
		}
		got := out.Since(0)[0]
		if !bytes.Equal(got.Key, want.Key) || (got.Value == nil) != (want.Value == nil) || len(want.Value) > schemas.FrameSize && !bytes.Equal(got.Value[schemas.FrameSize:], want.Value[schemas.FrameSize:]) ||
			!bytes.Equal(topics.Header(got, topics.HeaderPosition), topics.Header(want, topics.HeaderPosition)) {
			t.Errorf("%s is repaired as %+v, want %+v", newest, got, want)
		}
	}
}

func TestAnEntityWaitsForWhatIsRequired(t *testing.T) {
	r := newRig(t)
	w := r.open()
	wrote(t, "without a price", r.tell(w, "erp:P1@1 - ann"))
	if r.tally == nil || r.tally.Incomplete != 1 {
		t.Errorf("the tally is %+v, want 1 incomplete", r.tally)
	}
	wrote(t, "still without one", r.tell(w, "erp:P1@2 - eve"))
	if r.tally.Incomplete != 1 {
		t.Errorf("the tally is %+v, want 1 incomplete", r.tally)
	}
	wrote(t, "another stream has it", r.tell(w, "shop:P1@1 5"), "P1 5 eve")
	if r.tally.Incomplete != 0 {
		t.Errorf("the tally is %+v, want none incomplete", r.tally)
	}
	wrote(t, "it is withdrawn", r.tell(w, "shop:P1@2"))
	if r.tally.Incomplete != 1 {
		t.Errorf("the tally is %+v, want 1 incomplete", r.tally)
	}
	wrote(t, "the frontier passes", r.reach(w, "shop.item", 2), "P1 gone")
}

// I4: an entity goes with the claim that says that what took it away is out, and not before.
func TestADeletionWaitsForTheFrontier(t *testing.T) {
	r := newRig(t)
	w := r.open()
	r.tell(w, "erp:P1@5 a")
	wrote(t, "a retraction", r.tell(w, "erp:P1@8"))
	wrote(t, "a claim in front of it", r.reach(w, "erp.item", 7))
	wrote(t, "another stream's claim", r.reach(w, "shop.item", 99))
	again := r.open() // as after an abort: what waits is in the state
	wrote(t, "its claim", r.reach(again, "erp.item", 8), "P1 gone")
	wrote(t, "the next", r.reach(again, "erp.item", 9))
}

func TestWhatLivesAgainIsNotDeleted(t *testing.T) {
	r := newRig(t)
	w := r.open()
	r.tell(w, "erp:P1@1 a", "erp:P2@1 a")
	wrote(t, "retractions", r.tell(w, "erp:P1@2", "erp:P2@2"))
	wrote(t, "one comes back as it was, by another row", r.tell(w, "shop:P1@1 b"), "P1 b -")
	wrote(t, "the claim", r.reach(w, "erp.item", 2), "P2 gone")
	r.tell(w, "erp:P3@1 a")
	r.tell(w, "erp:P3@9", "shop:P1@2")
	back := r.send("shop:P1@3 d")
	_, out := r.transact(w, claimed(t, w, back, "shop.item", 3))
	wrote(t, "back in the transaction of the claim", out, "P1 d -")
	wrote(t, "gone and back in one transaction", r.tell(w, "shop:P1@4", "erp:P1@3 c"), `change P1.price "d" to "c"`, "P1 c -")
	wrote(t, "the claim", r.reach(w, "shop.item", 4))
}

// claimed is a transaction in which records come with a claim that passes them.
func claimed(t *testing.T, w processors.Worker, records []*kgo.Record, stream string, n uint64) func(context.Context, *processors.Output) (int64, error) {
	t.Helper()
	next := records[len(records)-1].Offset + 1
	return func(ctx context.Context, out *processors.Output) (int64, error) {
		through, err := w.Apply(ctx, processors.Batch{Records: records, Next: next, End: next}, out)
		return through, errors.Join(err, w.Reached(ctx, map[string]topics.Watermark{stream: {Position: at(n)}}, out))
	}
}

func TestADeletionGoesWithTheClaimThatComesWithIt(t *testing.T) {
	r := newRig(t)
	w := r.open()
	r.tell(w, "erp:P1@1 a")
	_, out := r.transact(w, claimed(t, w, r.send("erp:P1@2"), "erp.item", 2))
	wrote(t, "a retraction and its claim", out, "P1 gone")
}

// I9: versions rise through deletions and through changes without a newer contribution.
func TestVersionsRise(t *testing.T) {
	r := newRig(t)
	w := r.open()
	r.tell(w, "erp:P1@1 a")
	r.tell(w, "erp:P1@2 b")
	r.tell(w, "erp:P1@3")
	r.reach(w, "erp.item", 3)
	r.tell(w, "erp:P1@4 c")
	var last schemas.Meta
	n := 0
	if _, err := r.cfg.Cluster.ReadPartitionToEnd(t.Context(), r.view(), 0, 0, func(rec *kgo.Record) error {
		version := topics.Header(rec, topics.HeaderVersion)
		if rec.Value != nil {
			_, body, err := schemas.Unframe(rec.Value)
			if err != nil {
				return err
			}
			if _, version, err = r.cfg.Codec.SplitView(body, nil); err != nil {
				return err
			}
		}
		m, err := schemas.DecodeVersion(version)
		if err != nil {
			return err
		}
		if n++; n > 1 && (m.Offset < last.Offset || m.Offset == last.Offset && m.N <= last.N) {
			t.Errorf("record %d has version %d.%d behind %d.%d", n, m.Offset, m.N, last.Offset, last.N)
		}
		last = m
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

// I9
func TestAVersionIsAboveThePublishedOne(t *testing.T) {
	for _, c := range []struct {
		applied, published, offset int64
		n, next                    uint32
	}{
		{applied: 9, published: 8, n: 5, offset: 9, next: 0},
		{applied: 8, published: 8, n: 5, offset: 8, next: 6},
		{applied: 7, published: 8, n: 0, offset: 8, next: 1}, // as in a generation that has read less
	} {
		r := resolver{worker: &worker{applied: c.applied, space: &state.Space{}}}
		r.old = published{known: true, version: schemas.Meta{Offset: c.published, N: c.n}}
		r.version()
		if got := r.view.Meta; got.Offset != c.offset || got.N != c.next {
			t.Errorf("%+v: version %d.%d", c, got.Offset, got.N)
		}
	}
}

// I11: what is personal is not in the history of a view.
func TestHistoryMasksPersonalData(t *testing.T) {
	r := newRig(t)
	r.loaded = true
	w := r.open()
	wrote(t, "the first view is no change", r.tell(w, "erp:P1@1 5 ann"), "P1 5 ann")
	wrote(t, "a disagreement", r.tell(w, "shop:P1@1 6 bob"), `conflict P1.price open=true "5" over "6"`, `conflict P1.buyer open=true "***" over "***"`, "P1 5 ann")
	if r.tally.Conflicts != 2 {
		t.Errorf("the tally is %+v, want 2 conflicts", r.tally)
	}
	got := r.tell(w, "erp:P1@2 6 bob")
	for _, want := range []string{`change P1.price "5" to "6"`, `change P1.buyer "***" to "***"`, "P1 6 bob"} {
		if !slices.Contains(got, want) {
			t.Errorf("they agree: wrote %q, want %q among them", got, want)
		}
	}
	if n := strings.Count(strings.Join(got, "\n"), "open=false"); n != 2 || r.tally.Conflicts != 0 {
		t.Errorf("they agree: %d conflicts end, tally %+v; wrote %q", n, r.tally, got)
	}
}

// Before every stream of an entity had a watermark, what changes is only the first load.
func TestTheFirstLoadIsNoChange(t *testing.T) {
	r := newRig(t)
	w := r.open()
	r.tell(w, "erp:P1@1 a")
	wrote(t, "before any watermark", r.tell(w, "erp:P1@2 b"), "P1 b -")
	r.reach(w, "erp.item", 2)
	wrote(t, "with that of one stream", r.tell(w, "erp:P1@3 c"), "P1 c -")
	r.reach(w, "shop.item", 2)
	wrote(t, "with those of both", r.tell(w, "erp:P1@4 d"), `change P1.price "c" to "d"`, "P1 d -")
}

// A record that is not a contribution stops the partition: to pass it over would lose a row (I6).
func TestDamagedContributionsAreErrors(t *testing.T) {
	r := newRig(t)
	secret := schemas.AppendFrame(nil, 1)
	secret = append(secret, "ann"...)
	for name, damage := range map[string]func(*kgo.Record){
		"key without frame":             func(rec *kgo.Record) { rec.Key = []byte{9} },
		"value without frame":           func(rec *kgo.Record) { rec.Value = []byte("ann") },
		"value without position":        func(rec *kgo.Record) { rec.Value = secret },
		"retraction without a position": func(rec *kgo.Record) { rec.Value = nil },
		"contribution that is cut":      func(rec *kgo.Record) { rec.Value = rec.Value[:len(rec.Value)-2] },
		"retraction with half a position": func(rec *kgo.Record) {
			rec.Value, rec.Headers = nil, []kgo.RecordHeader{{Key: topics.HeaderPosition, Value: []byte("ann")}}
		},
	} {
		w := r.open()
		rec := r.said("erp:P1@1 ann ann")
		damage(rec)
		_, err := w.Apply(t.Context(), processors.Batch{Records: []*kgo.Record{rec}, Next: 1, End: 1}, &processors.Output{})
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "ann") {
			t.Errorf("%s: the error tells a value: %v", name, err)
		}
	}
}
