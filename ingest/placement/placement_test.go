package placement_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tributary/ingest/placement"
	"tributary/mesh"
	"tributary/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// A board knows which process captures which connection.
type board struct {
	mu    sync.Mutex // protects what is below
	by    map[string][]string
	owned map[string]func(context.Context) error
}

// captured gives the captures of a process.
func (b *board) captured(process string, connections ...string) map[string]placement.Capture {
	out := map[string]placement.Capture{}
	for _, c := range connections {
		out[c] = func(ctx context.Context, owned func(context.Context) error) error {
			b.mu.Lock()
			b.by[c] = append(b.by[c], process)
			b.owned[process+c] = owned
			b.mu.Unlock()
			<-ctx.Done()
			b.mu.Lock()
			defer b.mu.Unlock()
			b.by[c] = slices.DeleteFunc(b.by[c], func(p string) bool { return p == process })
			return ctx.Err()
		}
	}
	return out
}

// await waits until each connection is captured by one process and the processes are those.
func (b *board) await(t *testing.T, processes []string, connections ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		said := func() string {
			b.mu.Lock()
			defer b.mu.Unlock()
			var busy []string
			for _, c := range connections {
				if len(b.by[c]) == 1 && !slices.Contains(busy, b.by[c][0]) {
					busy = append(busy, b.by[c][0])
				}
				if len(b.by[c]) != 1 {
					return fmt.Sprint(b.by)
				}
			}
			slices.Sort(busy)
			if !slices.Equal(busy, processes) {
				return fmt.Sprint(b.by)
			}
			return ""
		}()
		if said == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("connections are captured by %s, want each by one of %v", said, processes)
		case <-tick.C:
		}
	}
}

// TestEachConnectionHasOneProcess lets processes come and go, and a mesh get another connection.
func TestEachConnectionHasOneProcess(t *testing.T) {
	broker, err := topics.StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	cluster, err := topics.NewCluster(mesh.Kafka{}, broker.Addr())
	if err != nil {
		t.Fatal(err)
	}
	b := &board{by: map[string][]string{}, owned: map[string]func(context.Context) error{}}
	start := func(process string, connections ...string) (stop func()) {
		t.Helper()
		if err := placement.Ensure(t.Context(), cluster, "m", len(connections)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() {
			_ = placement.Run(ctx, placement.Config{Cluster: cluster, Names: "m", Instance: process,
				Log: zerolog.New(zerolog.NewTestWriter(t)), Captures: b.captured(process, connections...)})
		})
		stop = sync.OnceFunc(func() { cancel(); done.Wait() })
		t.Cleanup(stop)
		return stop
	}
	stopA := start("a", "erp", "pim")
	b.await(t, []string{"a"}, "erp", "pim")
	stopB := start("b", "erp", "pim")
	b.await(t, []string{"a", "b"}, "erp", "pim")
	stopA()
	b.await(t, []string{"b"}, "erp", "pim")
	stopA = start("a", "erp", "pim", "wms") // a newer manifest, one process after another
	stopB()
	start("b", "erp", "pim", "wms")
	b.await(t, []string{"a", "b"}, "erp", "pim", "wms")

	b.mu.Lock()
	var owned func(context.Context) error
	for c, processes := range b.by {
		if slices.Contains(processes, "a") {
			owned = b.owned["a"+c]
		}
	}
	b.mu.Unlock()
	if err := owned(t.Context()); err != nil {
		t.Errorf("a member of the group is told that it is none: %v", err)
	}
	if err := cluster.LeaveGroup(t.Context(), "m.ingest", "a"); err != nil {
		t.Fatal(err)
	}
	if err := owned(t.Context()); err == nil {
		t.Error("a process that the group has forgotten may take connections from others")
	}
	stopA()
}
