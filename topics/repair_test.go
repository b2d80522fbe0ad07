package topics

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"tributary/mesh"
)

// A write that was refused stays in the log for ever, by intent: see TestRefusedWrites.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("tributary/topics.brokerLog.Logf"))
}

// brokerAt runs the embedded broker over dir while fn runs, with one topic "t" of 4 partitions.
func brokerAt(t *testing.T, dir string, fn func(c *Cluster)) {
	t.Helper()
	b, err := StartBroker(dir, "127.0.0.1:0", zerolog.New(zerolog.NewTestWriter(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := NewCluster(mesh.Kafka{}, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Ensure(t.Context(), []Spec{{Name: "t", Partitions: 4}}); err != nil {
		t.Fatal(err)
	}
	fn(c)
}

// writeTxn writes value to all four partitions in one transaction.
func writeTxn(t *testing.T, c *Cluster, value string) {
	t.Helper()
	cl, err := c.Client(kgo.TransactionalID("x"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for p := range int32(4) {
		cl.Produce(t.Context(), &kgo.Record{Topic: "t", Partition: p, Value: []byte(value)}, nil)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// visible gives what a read_committed reader sees in each partition.
func visible(t *testing.T, c *Cluster) [4]string {
	t.Helper()
	var out [4]string
	from := map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0}
	if err := c.ReadToEnd(t.Context(), "t", from, func(r *kgo.Record) error {
		out[r.Partition] += string(r.Value)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// cutLast does to a partition what a kill does: it takes away its last batch, index entries of
// the last lost ones too, and the snapshot of a clean shutdown.
func cutLast(t *testing.T, dir string, partition, indexEntries int) {
	t.Helper()
	pdir := filepath.Join(dir, "partitions", fmt.Sprintf("t-%d", partition))
	path := filepath.Join(pdir, "0.dat")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := 0
	for pos := 0; pos < len(raw); pos += 12 + int(binary.BigEndian.Uint32(raw[pos+8:])) {
		last = pos
	}
	idx, err := os.ReadFile(filepath.Join(pdir, "0.idx"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:last], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pdir, "0.idx"), idx[:len(idx)-indexEntries*indexEntry], 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(pdir, "snapshot.json")); err != nil {
		t.Fatal(err)
	}
}

// TestRepair kills a broker, so to say, at each place of a commit: a transaction is afterwards
// in all partitions or in none, also after further transactions and kills.
func TestRepair(t *testing.T) {
	for _, tc := range []struct {
		name    string
		torn    int // partitions that lost their marker
		entries int // index entries lost with it
		want    string
	}{
		{"between two markers", 2, 1, "ab"},
		{"before the last marker", 1, 1, "ab"},
		{"before the first marker", 4, 1, "a"},
		{"before the data's index entry", 4, 2, "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			brokerAt(t, dir, func(c *Cluster) { writeTxn(t, c, "a"); writeTxn(t, c, "b") })
			for p := range tc.torn {
				cutLast(t, dir, p, tc.entries)
			}
			want := [4]string{tc.want, tc.want, tc.want, tc.want}
			brokerAt(t, dir, func(c *Cluster) {
				if got := visible(t, c); got != want {
					t.Fatalf("visible %q, want %q", got, want)
				}
				writeTxn(t, c, "c")
			})
			for p := range 4 {
				if err := os.Remove(filepath.Join(dir, "partitions", fmt.Sprintf("t-%d", p), "snapshot.json")); err != nil {
					t.Fatal(err)
				}
			}
			brokerAt(t, dir, func(c *Cluster) {
				if got := visible(t, c); got[0] != tc.want+"c" || got[0] != got[3] {
					t.Fatalf("after another transaction and kill visible %q, want %q in each", got, tc.want+"c")
				}
			})
		})
	}
}

func TestEnsureKeepsPartitions(t *testing.T) {
	brokerAt(t, t.TempDir(), func(c *Cluster) {
		if err := c.Ensure(context.Background(), []Spec{{Name: "t", Partitions: 8}}); err == nil {
			t.Error("a topic with 4 partitions passed for one with 8")
		}
	})
}
