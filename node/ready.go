package node

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"tributary/sinks/views"
)

// readiness knows whether the views have caught up: every view topic is applied to the end that
// it had at the start, and every stream of every view has a frontier, which it gets when its
// first snapshot is through and keeps for good. A source that is down later does not matter.
type readiness struct {
	mu      sync.Mutex // protects missing
	missing map[string]string
}

func (n *node) newReadiness(ctx context.Context) (*readiness, error) {
	r := &readiness{missing: map[string]string{}}
	for _, e := range n.Mesh.Entities {
		ends, err := n.cluster.Ends(ctx, n.names.ViewOf(e.Name, n.generation(e.Name)))
		if err != nil {
			return nil, err
		}
		for q := range n.partitions {
			r.ends(e.Name, q, ends[q])
			for _, s := range e.Streams() {
				r.missing[streamKey(e.Name, q, s.ID())] = "first snapshot of " + s.ID()
			}
		}
	}
	return r, nil
}

func offsetKey(entity string, q int32, end int64) string {
	return fmt.Sprintf("o %s %d %d", entity, q, end)
}
func streamKey(entity string, q int32, stream string) string {
	return fmt.Sprintf("s %s %d %s", entity, q, stream)
}

func (r *readiness) ends(entity string, q int32, end int64) {
	if end > 0 {
		r.missing[offsetKey(entity, q, end)] = fmt.Sprintf("view %s, partition %d", entity, q)
	}
}

// applied notes what the store holds.
func (r *readiness) applied(a views.Applied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.missing) == 0 {
		return
	}
	for _, f := range a.Frontiers {
		delete(r.missing, streamKey(a.Entity, a.Partition, f.Stream))
	}
	prefix := fmt.Sprintf("o %s %d ", a.Entity, a.Partition)
	for key := range r.missing {
		var end int64
		if rest, ok := strings.CutPrefix(key, prefix); ok {
			if _, err := fmt.Sscan(rest, &end); err == nil && a.Next >= end {
				delete(r.missing, key)
			}
		}
	}
}

// Ready is nil once all views have caught up, else an error that says what is missing.
func (r *readiness) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, what := range r.missing {
		return fmt.Errorf("waiting for %s (%d parts missing)", what, len(r.missing))
	}
	return nil
}

// awaitReady waits until the views have caught up.
func (n *node) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for n.ready.Ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// announce prints the line that scripts wait for.
func (n *node) announce(ctx context.Context) error {
	if n.ready != nil {
		if err := n.awaitReady(ctx); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(n.Stdout, "ready gateway=%s registry=%s kafka=%s clickhouse=%s\n",
		n.addrs.Gateway, n.addrs.Registry, n.addrs.Kafka, n.addrs.ClickHouse)
	if err != nil {
		return err
	}
	return giveBack(ctx)
}

// settling is how long after a load its last buffers are let go.
const settling = 5 * time.Second

// giveBack returns to the system what only the load needed: the garbage collector would do so as
// new garbage comes, which in an idle mesh takes very long.
func giveBack(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(settling):
		runtime.GC() // pools of buffers survive one collection
		debug.FreeOSMemory()
	}
	return nil
}
