//go:build full

package main

import (
	"context"
	"testing"
	"time"
)

const outage = time.Minute

// more are troubles that take their time.
func (f *fleet) more() []trouble {
	out := []trouble{{"Kafka is frozen", f.kafkaFrozen}}
	for range 5 {
		out = append(out, trouble{"processes come and go again", f.comeAndGo}, trouble{"state is deleted again", f.stateDeleted})
	}
	return out
}

func (f *fleet) kafkaFrozen(t *testing.T) {
	kafka := broker.get(t)
	f.trouble(t, func(ctx context.Context) error { return f.down(ctx, kafka.Pause, kafka.Resume) })
	f.fresh(t)
}
