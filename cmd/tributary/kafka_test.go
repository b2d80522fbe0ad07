package main

import (
	"context"
	"testing"
	"time"
)

// TestKilledOnKafka is the crash test on a real Kafka: the mesh in one process, killed three times.
func TestKilledOnKafka(t *testing.T) {
	tr := newUp(t, setup{products: 300, kafka: broker.get(t)})
	err := tr.under(func(ctx context.Context) error {
		for range 3 {
			if err := tr.node.await(ctx, time.Minute); err != nil {
				return err
			}
			if err := tr.node.KillAtRandom(ctx, tr.random, 1, 3*time.Second); err != nil {
				return err
			}
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
