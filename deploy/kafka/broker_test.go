package kafka_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"tributary/deploy/kafka"
	"tributary/deploy/kafka/kafkatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// writer begins a transactional producer on the topic "orders".
func writer(t *testing.T, addr string) *kgo.Client {
	t.Helper()
	return client(t, kgo.SeedBrokers(addr), kgo.TransactionalID("test.writer"), kgo.DefaultProduceTopic("orders"),
		kgo.TransactionTimeout(10*time.Second), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// transact writes n records in one transaction that ends as asked.
func transact(ctx context.Context, cl *kgo.Client, prefix string, n int, end kgo.TransactionEndTry) error {
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	var records []*kgo.Record
	for i := range n {
		records = append(records, &kgo.Record{Value: fmt.Appendf(nil, "%s%d", prefix, i)})
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return cl.EndTransaction(ctx, end)
}

// read gives the first n committed records of "orders".
func read(t *testing.T, addr string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl := client(t, kgo.SeedBrokers(addr), kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var out []string
	for len(out) < n {
		fetches := cl.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("read %d of %d records: %v", len(out), n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, string(r.Value)) })
	}
	return out
}

func TestTransactionsSurviveKill(t *testing.T) {
	broker := kafkatest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	w := writer(t, broker.Addr())
	if _, err := kadm.NewClient(w).CreateTopic(ctx, 1, 1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		prefix string
		end    kgo.TransactionEndTry
	}{{"kept", kgo.TryCommit}, {"dropped", kgo.TryAbort}} {
		if err := transact(ctx, w, step.prefix, 3, step.end); err != nil {
			t.Fatalf("%s: %v", step.prefix, err)
		}
	}
	read(t, broker.Addr(), 3)
	// An abort is answered before its marker is in the log.
	adm := kadm.NewClient(w)
	for stable, end := int64(0), int64(1); stable < end; {
		lso, err := adm.ListCommittedOffsets(ctx, "orders")
		if err != nil {
			t.Fatal(err)
		}
		hw, err := adm.ListEndOffsets(ctx, "orders")
		if err != nil {
			t.Fatal(err)
		}
		stable, end = lso["orders"][0].Offset, hw["orders"][0].Offset
	}

	broker.Kill()
	if err := broker.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if err := transact(ctx, writer(t, broker.Addr()), "after", 1, kgo.TryCommit); err != nil {
		t.Fatalf("a new writer after the kill: %v", err)
	}
	if got, want := fmt.Sprint(read(t, broker.Addr(), 4)), "[kept0 kept1 kept2 after0]"; got != want {
		t.Errorf("read_committed gives %s, want %s", got, want)
	}
	if err := transact(ctx, w, "zombie", 1, kgo.TryCommit); err == nil {
		t.Error("the fenced writer could commit")
	}
	pausedBrokerAnswersAgain(t, broker)
	if err := broker.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func pausedBrokerAnswersAgain(t *testing.T, broker *kafka.Broker) {
	t.Helper()
	cl := client(t, kgo.SeedBrokers(broker.Addr()))
	if err := broker.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := cl.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Ping of a paused broker: %v, want the deadline", err)
	}
	if err := broker.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := cl.Ping(t.Context()); err != nil {
		t.Errorf("Ping after Resume: %v", err)
	}
}

func TestConfigReportsEveryFault(t *testing.T) {
	err := (&kafka.Config{HeapMiB: 1}).Validate()
	if joined, ok := err.(interface{ Unwrap() []error }); !ok || len(joined.Unwrap()) != 2 {
		t.Errorf("Validate() = %v, want the folder and the heap", err)
	}
}

func TestBrokenSettingIsShown(t *testing.T) {
	_, err := kafka.Start(t.Context(), kafka.Config{Dir: t.TempDir(), Settings: map[string]string{"node.id": "none"}})
	if err == nil {
		t.Fatal("Kafka started with node.id=none")
	}
}

func TestPomNamesTheVersion(t *testing.T) {
	text, err := os.ReadFile("pom.xml")
	if err != nil {
		t.Fatal(err)
	}
	var pom struct {
		Properties struct {
			Version string `xml:"kafka.version"`
		} `xml:"properties"`
	}
	if err := xml.Unmarshal(text, &pom); err != nil {
		t.Fatal(err)
	}
	if pom.Properties.Version != kafka.Version {
		t.Errorf("pom.xml names Kafka %s, the code %s; set both to one", pom.Properties.Version, kafka.Version)
	}
}
