//go:build broken_i1

package ingest

import "time"

// marked confirms upstream what Kafka does not hold yet: the fault that I1 forbids.
func (w *writer) marked(m Mark) {
	if m.Resume != nil {
		w.durable.Store(&m.Resume)
	}
}

// beforeCommit leaves time for the confirmation to go out and for a kill to come.
func (w *writer) beforeCommit() { time.Sleep(300 * time.Millisecond) }
