package topics

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
)

// tidyAt runs a broker with a tidy over it.
func tidyAt(t *testing.T, dir string, fn func(*Tidy)) {
	t.Helper()
	b, err := StartBroker(dir, "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	c, err := NewCluster(mesh.Kafka{}, b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	specs := []Spec{Compacted("s", 1, time.Hour), Deleted("d", 2, time.Hour)}
	if err := c.Ensure(t.Context(), specs); err != nil {
		t.Fatal(err)
	}
	fn(&Tidy{Broker: b, Cluster: c, Checkpoint: []string{"s"}, Retain: specs, Log: zerolog.Nop()})
}

// rise writes rising values under a few keys, in guarded transactions of which some abort, until
// ctx ends, and gives what was committed last.
func rise(ctx context.Context, t *testing.T, c *Cluster, id string) map[string]string {
	cl, err := c.Client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Error(err)
		return nil
	}
	defer cl.Close()
	committed := map[string]string{}
	for i := 0; ctx.Err() == nil; i++ {
		func() {
			defer c.Transaction()()
			key, value, commit := fmt.Sprint(id, i%5), fmt.Sprint(i), i%3 > 0
			if err := cl.BeginTransaction(); err != nil {
				t.Error(err)
			}
			if err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: "s", Key: []byte(key), Value: []byte(value)}).FirstErr(); err != nil {
				t.Error(err)
			}
			if err := cl.EndTransaction(context.Background(), kgo.TransactionEndTry(commit)); err != nil {
				t.Error(err)
			}
			if commit {
				committed[key] = value
			}
		}()
	}
	return committed
}

// TestCheckpoint checkpoints a topic while two producers write to it: the newest committed record
// of each key is there, for readers from the start and for one that follows, and little else.
func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{}
	newest := func(c *Cluster) map[string]string {
		got := map[string]string{}
		if err := c.ReadToEnd(t.Context(), "s", map[int32]int64{0: 0}, func(r *kgo.Record) error {
			got[string(r.Key)] = string(r.Value)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	tidyAt(t, dir, func(td *Tidy) {
		ctx, cancel := context.WithCancel(t.Context())
		var writers sync.WaitGroup
		var mu sync.Mutex
		for _, id := range []string{"a", "b"} {
			writers.Go(func() {
				committed := rise(ctx, t, td.Cluster, id)
				mu.Lock()
				defer mu.Unlock()
				for k, v := range committed {
					want[k] = v
				}
			})
		}
		// Until both have written all their keys many times over.
		for n := 0; n < 5 || td.Broker.cluster.PartitionInfo("s", 0).HighWatermark < 500; n++ {
			if err := td.checkpoint(t.Context(), "s"); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		writers.Wait()
		if err := td.checkpoint(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		if got := newest(td.Cluster); fmt.Sprint(got) != fmt.Sprint(want) || len(want) != 10 {
			t.Errorf("after the checkpoints\n%v, want\n%v", got, want)
		}
		if p := td.Broker.cluster.PartitionInfo("s", 0); p.HighWatermark-p.LogStartOffset != 10 {
			t.Errorf("the topic holds offsets %d to %d, want 10", p.LogStartOffset, p.HighWatermark)
		}
	})
	tidyAt(t, dir, func(td *Tidy) {
		if got := newest(td.Cluster); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after a restart\n%v, want\n%v", got, want)
		}
	})
}

// TestOpenTransactionKeepsCheckpoint is the gate's other half: what a producer left open without
// ending it may still be decided.
func TestOpenTransactionKeepsCheckpoint(t *testing.T) {
	tidyAt(t, t.TempDir(), func(td *Tidy) {
		cl, err := td.Cluster.Client(kgo.TransactionalID("x"))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "s", Key: []byte("k"), Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		wait, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := td.checkpoint(wait, "s"); err == nil {
			t.Error("a topic with an open transaction was checkpointed")
		}
		if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRetention(t *testing.T) {
	tidyAt(t, t.TempDir(), func(td *Tidy) {
		cl, err := td.Cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		now := time.Now()
		for i, age := range []time.Duration{3 * time.Hour, 2 * time.Hour, time.Minute} {
			for p, topic := range []string{"d", "s"} {
				r := &kgo.Record{Topic: topic, Key: []byte{byte(i)}, Value: []byte{byte(i)}, Timestamp: now.Add(-age)}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(p, err)
				}
			}
		}
		if err := td.retain(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		for topic, want := range map[string]int{"d": 1, "s": 3} {
			n := 0
			if err := td.Cluster.ReadToEnd(t.Context(), topic, map[int32]int64{0: 0}, func(*kgo.Record) error { n++; return nil }); err != nil {
				t.Fatal(err)
			}
			if n != want {
				t.Errorf("topic %s holds %d records, want %d", topic, n, want)
			}
		}
	})
}

// TestBrokerNeverCompactsWhileServing: kfake's own compaction holds up every request while it runs,
// so its ticker must not come as long as a process may live.
func TestBrokerNeverCompactsWhileServing(t *testing.T) {
	b, err := StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	configs, err := kadm.NewClient(cl).DescribeBrokerConfigs(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, resource := range configs {
		for _, c := range resource.Configs {
			if c.Key != "log.cleaner.backoff.ms" {
				continue
			}
			ms, err := strconv.ParseInt(c.MaybeValue(), 10, 64)
			if tenYears := int64(10 * 365 * 24 * time.Hour / time.Millisecond); err != nil || ms < tenYears {
				t.Errorf("it compacts every %s ms", c.MaybeValue())
			}
			return
		}
	}
	t.Error("the broker does not tell how often it compacts")
}
