package clickhouse

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	engine "tributary/deploy/clickhouse"
	"tributary/internal/poll"
	"tributary/schemas"
	"tributary/topics"
)

func TestMain(m *testing.M) {
	if engine.IsChild() {
		os.Exit(engine.Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

const acme = topics.Names("acme")

// A bench is a broker, an engine and what the sink under test did with them.
type bench struct {
	t       *testing.T
	broker  *kfake.Cluster
	cl      *kgo.Client
	lib     string
	dir     string
	process *engine.Process

	mu   sync.Mutex
	dead []*kgo.Record
}

func newBench(t *testing.T) *bench {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, acme.Telemetry(), acme.Conflicts(), acme.Changes()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	b := &bench{t: t, broker: broker, dir: filepath.Join(t.TempDir(), "engine")}
	if b.cl, err = b.client(kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cl.Close)
	if b.lib, err = engine.Fetch(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.broker.ListenAddrs()...), kgo.DialTimeout(2 * time.Second)}, opts...)...)
}

// startEngine starts the engine, at the same address as before if there was one.
func (b *bench) startEngine() {
	b.t.Helper()
	cfg := engine.Config{LibPath: b.lib, Dir: b.dir}
	if b.process != nil {
		cfg.Addr = b.process.Addr()
	}
	p, err := engine.Start(context.WithoutCancel(b.t.Context()), cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	b.process = p
	b.t.Cleanup(p.Stop)
}

func (b *bench) config() Config {
	return Config{Names: acme, Client: b.client, URL: b.process.URL(), Recorder: topics.NewRecorder("test"), Log: zerolog.New(zerolog.NewTestWriter(b.t)),
		Linger: 20 * time.Millisecond, MaxRows: 50,
		Mask: func(entity, field string) bool { return field == "contact" },
		DeadLetter: func(_ context.Context, r *kgo.Record, _ error) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.dead = append(b.dead, r)
			return nil
		}}
}

// run runs a sink until stop is called, or the test ends.
func (b *bench) run(cfg Config) (stop func()) {
	b.t.Helper()
	s, err := New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("the sink ended with %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// conn opens the sink's database.
func (b *bench) conn() driver.Conn {
	b.t.Helper()
	conn, err := Open(b.t.Context(), b.process.URL(), string(acme))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

// refuseCommits makes the broker refuse the first commit behind an insert of each topic's
// partition 0.
func (b *bench) refuseCommits() {
	type name struct { // newer requests name topics by id alone
		topic string
		id    [16]byte
	}
	refused := map[name]bool{}
	b.broker.ControlKey(kmsg.OffsetCommit.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		commit := req.(*kmsg.OffsetCommitRequest)
		t := commit.Topics[0]
		at := name{t.Topic, t.TopicID}
		if p := t.Partitions[0]; refused[at] || p.Partition != 0 || p.Metadata != nil && *p.Metadata != "" {
			return nil, nil, false
		}
		refused[at] = true
		resp := commit.ResponseKind().(*kmsg.OffsetCommitResponse)
		resp.Topics = []kmsg.OffsetCommitResponseTopic{{Topic: t.Topic, TopicID: t.TopicID,
			Partitions: []kmsg.OffsetCommitResponseTopicPartition{{ErrorCode: kerr.OffsetMetadataTooLarge.Code}}}}
		return resp, nil, true
	})
}

func (b *bench) produce(records ...*kgo.Record) {
	b.t.Helper()
	if err := b.cl.ProduceSync(b.t.Context(), records...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// eventually polls until a query gives the number that is wanted.
func (b *bench) eventually(conn driver.Conn, query string, want uint64) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	poll.Until(ctx, b.t, fmt.Sprintf("%d from %s", want, query), func() (string, bool) {
		var got uint64
		err := conn.QueryRow(ctx, query).Scan(&got)
		return fmt.Sprintf("it gives %d (%v)", got, err), err == nil && got == want
	})
}

func sampleRecord(s topics.Sample, partition int32) *kgo.Record {
	return &kgo.Record{Topic: acme.Telemetry(), Partition: partition,
		Key:   topics.AppendSampleKey(schemas.AppendFrame(nil, 1), s.SeriesKey),
		Value: topics.AppendSample(schemas.AppendFrame(nil, 2), &s)}
}

func conflictRecord(c schemas.Conflict, partition int32) *kgo.Record {
	return &kgo.Record{Topic: acme.Conflicts(), Partition: partition,
		Key:   schemas.AppendConflictKey(schemas.AppendFrame(nil, 3), c.ConflictKey),
		Value: schemas.AppendConflict(schemas.AppendFrame(nil, 4), &c)}
}

func changeRecord(c schemas.Change, partition int32) *kgo.Record {
	return &kgo.Record{Topic: acme.Changes(), Partition: partition,
		Key:   schemas.AppendChangeKey(schemas.AppendFrame(nil, 5), c.ChangeKey),
		Value: schemas.AppendChange(schemas.AppendFrame(nil, 6), &c)}
}
