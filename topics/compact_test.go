package topics

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A kept record is what a reader must find of a key: its newest committed record.
type kept struct {
	offset int64
	value  string // "" for a tombstone
}

// A historian writes random transactions, some of which abort, and remembers what was committed.
type historian struct {
	t      *testing.T
	random *rand.Rand
	model  [2]map[string]kept
}

func (h *historian) write(c *Cluster, transactions int) {
	h.t.Helper()
	var clients []*kgo.Client
	for i := range 3 {
		opts := []kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner())}
		if i > 0 {
			opts = append(opts, kgo.TransactionalID(strconv.Itoa(i)))
		}
		cl, err := c.Client(opts...)
		if err != nil {
			h.t.Fatal(err)
		}
		defer cl.Close()
		clients = append(clients, cl)
	}
	for range transactions {
		i := h.random.IntN(3)
		cl, commit := clients[i], i == 0 || h.random.IntN(3) > 0
		if i > 0 {
			if err := cl.BeginTransaction(); err != nil {
				h.t.Fatal(err)
			}
		}
		var wrote []*kgo.Record
		for range 1 + h.random.IntN(8) {
			key := fmt.Sprint("key-", h.random.IntN(12))
			r := &kgo.Record{Topic: "c", Partition: int32(h.random.IntN(2)), Key: []byte(key), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte(key)}}}
			if h.random.IntN(4) > 0 {
				r.Value = fmt.Appendf(nil, "value-%d", h.random.IntN(1000))
			}
			wrote = append(wrote, r)
		}
		if err := cl.ProduceSync(h.t.Context(), wrote...).FirstErr(); err != nil {
			h.t.Fatal(err)
		}
		if i > 0 {
			if err := cl.EndTransaction(h.t.Context(), kgo.TransactionEndTry(commit)); err != nil {
				h.t.Fatal(err)
			}
		}
		for _, r := range wrote {
			if commit {
				h.model[r.Partition][string(r.Key)] = kept{r.Offset, string(r.Value)}
			}
		}
	}
}

// check reads both partitions from a random offset and from the beginning, and compares what is
// the newest of each key with the model.
func (h *historian) check(c *Cluster, what string) {
	h.t.Helper()
	for p := range int32(2) {
		ends, err := c.Ends(h.t.Context(), "c")
		if err != nil {
			h.t.Fatal(err)
		}
		for _, from := range []int64{0, h.random.Int64N(ends[p] + 1)} {
			got, want := map[string]kept{}, map[string]kept{}
			if _, err := c.ReadPartitionToEnd(h.t.Context(), "c", p, from, func(r *kgo.Record) error {
				if len(r.Headers) != 1 || string(r.Headers[0].Value) != string(r.Key) {
					return fmt.Errorf("offset %d has headers %v", r.Offset, r.Headers)
				}
				got[string(r.Key)] = kept{r.Offset, string(r.Value)}
				return nil
			}); err != nil {
				h.t.Fatal(err)
			}
			for key, k := range h.model[p] {
				if k.offset >= from {
					want[key] = k
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				h.t.Fatalf("%s: partition %d from offset %d holds\n%v, want\n%v", what, p, from, got, want)
			}
		}
	}
}

func withTopic(t *testing.T, dir string, fn func(c *Cluster)) {
	t.Helper()
	brokerAt(t, dir, func(c *Cluster) {
		if err := c.Ensure(t.Context(), []Spec{Compacted("c", 2, 24*time.Hour)}); err != nil {
			t.Fatal(err)
		}
		fn(c)
	})
}

var errStopped = errors.New("stopped here")

// TestCompaction writes random histories, compacts them, stopped at each step in turn, and holds
// what readers find against a model: exactly the newest committed record of each key, whatever was
// aborted, at its own offset.
func TestCompaction(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("TRIBUTARY_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("repeat with TRIBUTARY_SEED=%d go test ./topics -run TestCompaction", seed)
	dir := t.TempDir()
	h := &historian{t: t, random: rand.New(rand.NewPCG(seed, 0)), model: [2]map[string]kept{{}, {}}}
	for round, stop := range []string{"", "written", "ready", "old away", "new there", ""} {
		withTopic(t, dir, func(c *Cluster) {
			h.check(c, fmt.Sprintf("round %d, begin", round))
			h.write(c, 30)
			h.check(c, fmt.Sprintf("round %d, before", round))
		})
		if round%2 == 1 { // a kill leaves no snapshot of the partitions
			if err := os.Remove(filepath.Join(dir, "partitions", "c-0", "snapshot.json")); err != nil {
				t.Fatal(err)
			}
		}
		c := &compactor{dir: dir, force: true, log: zerolog.Nop(), now: time.Now(), runSize: 7, step: func(step string) error {
			if step == stop {
				return errStopped
			}
			return nil
		}}
		if _, err := repairTransactions(dir, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		done, err := c.run()
		if stop != "" && !errors.Is(err, errStopped) || stop == "" && err != nil {
			t.Fatal(err)
		}
		for _, d := range done {
			if live := int64(len(h.model[d.Partition])); d.After > live+8 || d.After < live {
				t.Errorf("round %d: partition %d has %d records left of %d, and %d keys", round, d.Partition, d.After, d.Before, live)
			}
		}
	}
	withTopic(t, dir, func(c *Cluster) { h.check(c, "end") })
	// Tombstones go once their time is over.
	for p := range h.model {
		for key, k := range h.model[p] {
			if k.value == "" {
				delete(h.model[p], key)
			}
		}
	}
	c := &compactor{dir: dir, force: true, only: []string{"c"}, log: zerolog.Nop(), now: time.Now().Add(48 * time.Hour), runSize: runSize}
	if _, err := c.run(); err != nil {
		t.Fatal(err)
	}
	withTopic(t, dir, func(c *Cluster) {
		for p := range int32(2) {
			left := map[string]bool{}
			if _, err := c.ReadPartitionToEnd(t.Context(), "c", p, 0, func(r *kgo.Record) error {
				left[string(r.Key)] = r.Value != nil || left[string(r.Key)]
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for key := range h.model[p] {
				if !left[key] {
					t.Errorf("partition %d lost %s with a tombstone", p, key)
				}
			}
			if n := len(left) - len(h.model[p]); n > 8 {
				t.Errorf("partition %d still has %d tombstones", p, n)
			}
		}
	})
}

// TestRecords counts what the broker holds, over restarts and compaction.
func TestRecords(t *testing.T) {
	dir := t.TempDir()
	records := func(want int64) {
		t.Helper()
		b, err := StartBroker(dir, "127.0.0.1:0", zerolog.Nop())
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if n, err := b.Records(); err != nil || n != want {
			t.Errorf("%d records, want %d: %v", n, want, err)
		}
	}
	records(0)
	withTopic(t, dir, func(c *Cluster) {
		cl, err := c.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		for range 10 {
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "c", Key: []byte("k"), Value: []byte("v")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	})
	records(10)
	done, err := CompactFolder(dir, nil, zerolog.Nop())
	if err != nil || len(done) != 1 || done[0] != (Compaction{"c", 0, 10, 1}) {
		t.Fatalf("compaction gave %v, %v", done, err)
	}
	records(1)
	if _, err := CompactFolder(dir, []string{"t"}, zerolog.Nop()); err == nil {
		t.Error("a topic that is not compacted was compacted")
	}
}
