package resolve

import (
	"fmt"
	"slices"
	"testing"

	"tributary/processors"
)

// I3: the state is a cache. Without it a worker goes over all contributions silently and writes
// what differs from the published views, once an entity.
func TestALostStateIsRebuilt(t *testing.T) {
	r := newRig(t)
	w := r.open()
	all := r.send("erp:P1@1 a", "shop:P1@1 b", "erp:P2@1 - ann", "erp:P3@1 x")
	r.step(w, all...)
	gone := r.send("erp:P3@2")
	r.step(w, gone...)
	r.reach(w, "erp.item", 2)
	tally := *r.tally
	late := r.send("erp:P1@2 c", "erp:P1@3 d", "erp:P4@1 y") // not yet resolved when the state is lost
	r.cfg.Store = newStore(t)
	w = r.open()
	if from, applied := w.Begin(); from != 0 || applied {
		t.Fatalf("without its state the worker begins at %d, applied %t; want 0, false", from, applied)
	}
	through, out := r.step(w, slices.Concat(all, gone)...)
	if wrote(t, "what was known", out); through != -1 {
		t.Errorf("applied through %d before the replay's end", through)
	}
	through, out = r.step(w, late...)
	if wrote(t, "the replay's end", out, "conflict P1.price open=true \"d\" over \"b\"", "P1 d -", "P4 y -"); through != late[2].Offset+1 {
		t.Errorf("applied through %d, want %d", through, late[2].Offset+1)
	}
	if *r.tally != tally {
		t.Errorf("the tally is %+v, was %+v", *r.tally, tally)
	}
	wrote(t, "what was gone stays it", r.reach(w, "erp.item", 9))
}

// I14: a state that is older than the views reads them first, and repeats no work.
func TestAStateBehindItsViewsCatchesUp(t *testing.T) {
	r := newRig(t)
	w := r.open()
	first := r.send("erp:P1@1 a")
	r.step(w, first...)
	second := r.send("erp:P1@2 b")
	out := &processors.Output{}
	if _, err := w.Apply(t.Context(), processors.Batch{Records: second, Next: second[0].Offset + 1, End: second[0].Offset + 1}, out); err != nil {
		t.Fatal(err)
	}
	if err := r.client.ProduceSync(t.Context(), out.Since(0)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	again := r.open() // the transaction has committed, and the process died before the state had it
	if from, applied := again.Begin(); from != second[0].Offset || applied {
		t.Errorf("the worker begins at %d, applied %t; want %d, false", from, applied, second[0].Offset)
	}
	_, wroteAgain := r.step(again, second...)
	wrote(t, "the repetition", wroteAgain)
}

func TestABacklogWritesAnEntityOnce(t *testing.T) {
	r := newRig(t)
	r.cfg.Tuning = Tuning{Backlog: 10, BatchBytes: 64}
	w := r.open()
	var texts []string
	for n := 1; n <= 12; n++ {
		texts = append(texts, fmt.Sprintf("erp:P1@%d a%d", n, n), fmt.Sprintf("erp:P2@%d b%d", n, n))
	}
	all := r.send(texts...)
	end := all[len(all)-1].Offset + 1
	var got []string
	for at := 0; at < len(all); at += 4 { // polls on the way to an end that is known
		polled := all[at : at+4]
		through, out := r.apply(w, processors.Batch{Records: polled, Next: polled[3].Offset + 1, End: end})
		got = append(got, out...)
		if through >= 0 && w.Pending() {
			t.Errorf("applied through %d while there is more to do", through)
		}
	}
	if !w.Pending() || len(got) > 1 {
		t.Errorf("one transaction wrote %q, more than it may hold", got)
	}
	through := int64(-1)
	for steps := 0; w.Pending() && steps < 10; steps++ {
		var out []string
		through, out = r.step(w)
		got = append(got, out...)
	}
	wrote(t, "the backlog", got, "P1 a12 -", "P2 b12 -")
	if through != end {
		t.Errorf("applied through %d, want %d", through, end)
	}
}

// A repair in a backlog is committed before what was touched is resolved, as the state that this is
// resolved from does not hold its batch yet.
func TestARepairInABacklogLosesNoEntity(t *testing.T) {
	r := newRig(t)
	r.cfg.Tuning = Tuning{Backlog: 1}
	w := r.open()
	all := r.send("erp:P1@5 new", "erp:P1@3 old", "erp:P2@1 x")
	_, got := r.apply(w, processors.Batch{Records: all[:1], Next: 1, End: 3})
	wrote(t, "its begin", got)
	_, got = r.apply(w, processors.Batch{Records: all[1:], Next: 3, End: 3})
	wrote(t, "its end", got, "repair live=true")
	through, got := r.step(w)
	if wrote(t, "what it touched", got, "P1 new -", "P2 x -"); through != 3 {
		t.Errorf("applied through %d, want 3", through)
	}
}
