package topics

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
)

// readCluster is an embedded broker with a topic t of one partition.
func readCluster(t *testing.T) *Cluster {
	t.Helper()
	b, err := StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	c, err := NewCluster(mesh.Kafka{}, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ensure(t.Context(), []Spec{Compacted("t", 1, time.Hour)}); err != nil {
		t.Fatal(err)
	}
	return c
}

func readClient(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := c.Client(append(opts, kgo.DefaultProduceTopic("t"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// TestReadToEndAwaitsTransactions: what is committed behind another's open transaction belongs to
// the end, though no reader sees it yet.
func TestReadToEndAwaitsTransactions(t *testing.T) {
	c := readCluster(t)
	open, plain := readClient(t, c, kgo.TransactionalID("x")), readClient(t, c)
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		cl  *kgo.Client
		key string
	}{{open, "a"}, {plain, "b"}} {
		if err := step.cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte(step.key)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var got string
	note := func(r *kgo.Record) error { got += string(r.Key); return nil }
	if err := c.ReadToEnd(short, "t", map[int32]int64{0: 0}, note); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("with a transaction open in front of the end it read %q and gave %v, want that it waits", got, err)
	}
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	got = ""
	if err := c.ReadToEnd(t.Context(), "t", map[int32]int64{0: 0}, note); err != nil || got != "ab" {
		t.Errorf("read %q, %v, want ab", got, err)
	}
}

// TestReadToEndOfDeleted: a topic whose records have all gone by retention has nothing to wait for.
func TestReadToEndOfDeleted(t *testing.T) {
	c := readCluster(t)
	cl := readClient(t, c)
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("a")}, &kgo.Record{Key: []byte("b")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	var all kadm.Offsets
	all.Add(kadm.Offset{Topic: "t", Partition: 0, At: 2})
	if _, err := kadm.NewClient(cl).DeleteRecords(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.ReadToEnd(ctx, "t", map[int32]int64{0: 0}, func(*kgo.Record) error { return errors.New("it is deleted") }); err != nil {
		t.Error(err)
	}
}
