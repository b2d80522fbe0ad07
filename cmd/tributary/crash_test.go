package main

import (
	"context"
	"testing"
	"time"
)

// TestKilledAtRandom kills the mesh ten times at random moments under load, beginning in its
// first snapshot. Afterwards every view equals what SQL over the databases says, and no answer
// was older than the verifiedThrough that it claimed (I1, I4, I14).
func TestKilledAtRandom(t *testing.T) {
	tr := newUp(t, setup{products: 300})
	err := tr.under(func(ctx context.Context) error {
		if err := tr.node.KillAtRandom(ctx, tr.random, kills, 3*time.Second); err != nil {
			return err
		}
		return tr.goOn(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
	tr.mustSettle(time.Minute)
	if err := tr.node.Stop(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// TestCrashTestSeesEarlyWatermarks is the control: without the guard of I4 the same trial must
// find answers that are older than they claim.
func TestCrashTestSeesEarlyWatermarks(t *testing.T) {
	tr := newUp(t, setup{products: 300, tags: []string{"broken_i4"}})
	err := tr.under(func(ctx context.Context) error {
		return tr.killUntil(ctx, func() bool { return len(tr.reader.Report().Violations) > 0 })
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.reader.Report().Violations) == 0 {
		t.Error("with I4's guard taken out, no answer was found to be older than it claimed")
	}
}

// TestCrashTestSeesLostChanges is the control for I1: without its guard changes are confirmed to
// the database before Kafka holds them, and a kill loses them. The capture may notice that its
// slot stands beyond what Kafka holds and read everything anew: that too shows the loss.
func TestCrashTestSeesLostChanges(t *testing.T) {
	tr := newUp(t, setup{products: 300, tags: []string{"broken_i1"}})
	for range 3 {
		err := tr.under(func(ctx context.Context) error { return tr.killUntil(ctx, func() bool { return false }) })
		if err != nil {
			t.Fatal(err)
		}
		if len(tr.settled(10*time.Second)) > 0 || tr.node.said(t, "position lost") {
			return
		}
	}
	t.Error("with I1's guard taken out, no change was lost")
}

// killUntil kills the mesh up to five times, each time a while after it was ready, until done.
func (tr *trial) killUntil(ctx context.Context, done func() bool) error {
	for range 5 {
		if err := tr.node.await(ctx, time.Minute); err != nil {
			return err
		}
		if err := tr.node.KillAtRandom(ctx, tr.random, 1, 2*time.Second); err != nil || done() {
			return err
		}
	}
	return nil
}
