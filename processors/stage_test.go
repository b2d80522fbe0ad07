package processors

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"tributary/internal/poll"
	"tributary/mesh"
	"tributary/topics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	partitions = 4
	patience   = 30 * time.Second // bounds every wait
)

// A rig runs instances of a stage that copies the topic "in" to the topic "out", each partition
// to its own, on the embedded broker.
type rig struct {
	t        *testing.T
	names    topics.Names
	cluster  *topics.Cluster
	follower *topics.Follower
	requests *topics.Requests
	client   *kgo.Client // writes in, and claims
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, names: "test"}
	broker, err := topics.StartBroker(t.TempDir(), "127.0.0.1:0", zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	if r.cluster, err = topics.NewCluster(mesh.Kafka{}, broker.Addr()); err != nil {
		t.Fatal(err)
	}
	if err := r.cluster.Ensure(t.Context(), []topics.Spec{{Name: r.names.Claims(), Partitions: 1}, {Name: r.names.Requests(), Partitions: 1},
		{Name: "in", Partitions: partitions}, {Name: "out", Partitions: partitions, Config: map[string]string{"max.message.bytes": "1000000"}}}); err != nil {
		t.Fatal(err)
	}
	if r.follower, err = topics.NewFollower(r.cluster, r.names); err != nil {
		t.Fatal(err)
	}
	if r.requests, err = topics.NewRequests(r.cluster, r.names, topics.Frame{}, "test", zerolog.Nop()); err != nil {
		t.Fatal(err)
	}
	r.background(r.follower.Run)
	r.background(r.requests.Run)
	if r.client, err = r.cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic("in")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	return r
}

// background runs fn until stop is called, or the test ends.
func (r *rig) background(fn func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { _ = fn(ctx) })
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// start runs an instance of the stage. change may change what its workers do.
func (r *rig) start(name string, change func(*copier)) (stop func(), meter *failures) {
	meter = &failures{}
	s := &Stage{Name: "copy", Subject: "in", Group: "copy", TxnID: "copy." + name, Instance: name, Input: "in",
		Inputs:  map[string][]int32{"s.t": {0}},
		Outputs: map[string]int32{"out": partitions}, Claimed: map[string]int32{"out": partitions}, Own: true,
		Cluster: r.cluster, Follower: r.follower, Requests: r.requests, Names: r.names,
		Log: zerolog.New(zerolog.NewTestWriter(r.t)).With().Str("instance", name).Logger(), Meter: meter,
		Open: func(_ context.Context, p int32) (Worker, error) {
			w := &copier{partition: p}
			if change != nil {
				change(w)
			}
			return w, nil
		}}
	return r.background(s.Run), meter
}

// failures counts the sessions that failed, and keeps how far partitions were behind at last.
type failures struct {
	mu  sync.Mutex // protects what is below
	n   int
	lag [partitions]int64
}

func (f *failures) Processed(p int32, _, _, lag int64) { f.mu.Lock(); f.lag[p] = lag; f.mu.Unlock() }
func (*failures) Reached(int32, string, int64)         {}
func (f *failures) Failed()                            { f.mu.Lock(); f.n++; f.mu.Unlock() }
func (f *failures) count() int                         { f.mu.Lock(); defer f.mu.Unlock(); return f.n }
func (f *failures) lags() [partitions]int64            { f.mu.Lock(); defer f.mu.Unlock(); return f.lag }

// A copier copies records. With reached set it also says in the output what it has reached; while
// holds says so it takes records and keeps them.
type copier struct {
	partition int32
	value     func(*kgo.Record) []byte
	reached   func(ctx context.Context, partition int32) []byte
	holds     func() bool
	kept      []*kgo.Record
	next      int64 // behind what was taken
}

func (c *copier) Begin() (int64, bool)         { return -1, true }
func (c *copier) Pending() bool                { return len(c.kept) > 0 }
func (c *copier) Committed(*topics.Ends) error { return nil }
func (c *copier) Close() error                 { return nil }

func (c *copier) Apply(_ context.Context, b Batch, out *Output) (int64, error) {
	c.next, c.kept = max(c.next, b.Next), append(c.kept, b.Records...)
	if c.holds != nil && c.holds() {
		return -1, nil
	}
	for _, r := range c.kept {
		value := r.Value
		if c.value != nil {
			value = c.value(r)
		}
		out.Add("out", c.partition, r.Key, value)
	}
	c.kept = nil
	return c.next, nil
}

func (c *copier) Reached(ctx context.Context, _ map[string]topics.Watermark, out *Output) error {
	if c.reached != nil {
		if value := c.reached(ctx, c.partition); value != nil {
			out.Add("out", c.partition, []byte("reached"), value)
		}
	}
	return nil
}

// write writes numbers from..to−1 into the partition that each modulo 4 is.
func (r *rig) write(from, to int) {
	r.t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		n := []byte(strconv.Itoa(i))
		records = append(records, &kgo.Record{Partition: int32(i % partitions), Key: n, Value: n})
	}
	if err := r.client.ProduceSync(r.t.Context(), records...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// claim says that the input has been written up to its ends as of now.
func (r *rig) claim(time int64) {
	r.t.Helper()
	ends, err := r.cluster.Ends(r.t.Context(), "in")
	if err != nil {
		r.t.Fatal(err)
	}
	c := topics.Claim{Time: time, Ends: make([]int64, partitions)}
	for p := range c.Ends {
		c.Ends[p] = ends[int32(p)]
	}
	record := &kgo.Record{Topic: r.names.Claims(), Key: topics.AppendClaimKey(topics.Frame{}.Key(nil), topics.ClaimKey{Topic: "in", Stream: "s.t"}),
		Value: topics.AppendClaim(topics.Frame{}.Value(nil), c)}
	if err := r.client.ProduceSync(r.t.Context(), record).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// out gives the committed values of each partition of the output.
func (r *rig) out() (out [partitions][]string) {
	r.t.Helper()
	from := map[int32]int64{0: 0, 1: 0, 2: 0, 3: 0}
	err := r.cluster.ReadToEnd(r.t.Context(), "out", from, func(rec *kgo.Record) error {
		out[rec.Partition] = append(out[rec.Partition], string(rec.Value))
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// await waits until something holds.
func (r *rig) await(what string, holds func() bool) {
	r.t.Helper()
	poll.Within(r.t, patience, what, holds)
}

// copied gives what out holds when numbers 0..n−1 were copied once and in order.
func copied(n int) (out [partitions][]string) {
	for i := range n {
		out[i%partitions] = append(out[i%partitions], strconv.Itoa(i))
	}
	return out
}

func (r *rig) total() (n int) {
	for _, values := range r.out() {
		n += len(values)
	}
	return n
}

// TestRebalancesLoseAndRepeatNothing lets instances come and go while records flow: each record is
// copied once and in order, and no membership is given up for it.
func TestRebalancesLoseAndRepeatNothing(t *testing.T) {
	seed := rand.Uint64()
	if text := os.Getenv("TRIBUTARY_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("repeat with TRIBUTARY_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := newRig(t)
	_, meter := r.start("a", nil)
	written := 0
	more := func() {
		n := 1 + random.IntN(300)
		r.write(written, written+n)
		written += n
	}
	for round := range 4 {
		more()
		stop, other := r.start(fmt.Sprintf("b%d", round%2), nil)
		for range random.IntN(30) {
			more()
		}
		if round%2 == 0 {
			r.await("all copied", func() bool { return r.total() == written })
		}
		stop()
		if n := other.count(); n > 0 {
			t.Errorf("%d sessions of the second instance failed", n)
		}
	}
	more()
	r.await("all copied", func() bool { return r.total() >= written })
	if got, want := r.out(), copied(written); !slices.EqualFunc(got[:], want[:], slices.Equal) {
		t.Errorf("copied %d records otherwise than once and in order", written)
	}
	if n := meter.count(); n > 0 {
		t.Errorf("%d sessions of the first instance failed", n)
	}
}

// TestWhatIsKeptIsLag: records that a worker took without showing their results are lag, until
// they show, also when no other record follows.
func TestWhatIsKeptIsLag(t *testing.T) {
	r := newRig(t)
	var released atomic.Bool
	_, meter := r.start("a", func(c *copier) { c.holds = func() bool { return !released.Load() } })
	r.write(0, 40)
	r.await("ten records of each partition are behind", func() bool { return meter.lags() == [partitions]int64{10, 10, 10, 10} })
	if n := r.total(); n > 0 {
		t.Errorf("%d records were copied", n)
	}
	released.Store(true)
	r.await("no lag", func() bool { return meter.lags() == [partitions]int64{} })
	if n := r.total(); n != 40 {
		t.Errorf("%d records were copied, want 40", n)
	}
}

// TestZombieIsFencedWhereItConsumedNothing removes an instance from the group while it is about to
// write what only a moved frontier asks for. The new owner writes first; nothing of the zombie's
// may come behind it (I13, I14).
func TestZombieIsFencedWhereItConsumedNothing(t *testing.T) {
	r := newRig(t)
	r.write(0, 40)
	asleep, awake := make(chan struct{}), make(chan struct{})
	wake := sync.OnceFunc(func() { close(awake) })
	defer wake() // before anything is awaited
	var once sync.Once
	r.start("zombie", func(c *copier) {
		c.reached = func(_ context.Context, p int32) []byte {
			if p != 1 {
				return nil
			}
			value := []byte("zombie")
			once.Do(func() { close(asleep); <-awake })
			return value
		}
	})
	r.await("all copied", func() bool { return r.total() == 40 })
	r.claim(1)
	<-asleep
	adm := kadm.NewClient(r.client)
	if _, err := adm.LeaveGroup(t.Context(), kadm.LeaveGroup("copy").InstanceIDs("zombie")); err != nil {
		t.Fatal(err)
	}
	r.start("heir", func(c *copier) { c.reached = func(context.Context, int32) []byte { return []byte("heir") } })
	r.await("the heir writes", func() bool { return slices.Contains(r.out()[1], "heir") })
	wake()
	r.write(40, 44)
	r.claim(2)
	r.await("work goes on", func() bool { return slices.Contains(r.out()[1], "41") })
	got := r.out()[1]
	if at := slices.Index(got, "heir"); slices.Contains(got[:at], "zombie") || slices.Contains(got[at:], "zombie") && slices.Index(got[at:], "zombie") < slices.Index(got[at:], "41") {
		t.Errorf("partition 1 holds %v: the zombie's record was committed", got[10:])
	}
}

// TestWhatKafkaRefusesIsNotCommitted: a record that cannot be written must not be passed over by
// the offsets of the transaction that held it (I6).
func TestWhatKafkaRefusesIsNotCommitted(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex // protects big
	big := true
	_, meter := r.start("a", func(c *copier) {
		c.value = func(rec *kgo.Record) []byte {
			mu.Lock()
			defer mu.Unlock()
			if big && string(rec.Value) == "7" {
				return noise(3_000_000)
			}
			return rec.Value
		}
	})
	r.write(0, 8)
	r.await("the record is refused", func() bool { return meter.count() > 0 })
	mu.Lock()
	big = false
	mu.Unlock()
	r.await("all copied", func() bool { return r.total() >= 8 })
	if got, want := r.out(), copied(8); !slices.EqualFunc(got[:], want[:], slices.Equal) {
		t.Errorf("copied %v, want %v", got, want)
	}
}

// noise cannot be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
