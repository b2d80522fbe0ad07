package clickhouse

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/schemas"
	"tributary/topics"
)

// samples gives n samples of one record each, from start on.
func samples(start time.Time, n int) []*kgo.Record {
	out := make([]*kgo.Record, n)
	for i := range out {
		s := topics.Sample{SeriesKey: topics.SeriesKey{Stage: topics.StageResolve, System: "erp", Stream: "erp.material", Entity: "product", Partition: int32(i % 2)},
			Time: start.Add(time.Duration(i) * time.Millisecond).UnixMicro(), Instance: "a", Window: 1000, Records: 1, Bytes: 10,
			Latency: []topics.Bucket{{Index: int32(i % 5), Count: 1}}}
		out[i] = sampleRecord(s, int32(i%2))
	}
	return out
}

const (
	countSamples = "SELECT count() FROM samples"
	sumMinutes   = "SELECT sum(records) FROM sample_minutes"
	sumLatency   = "SELECT arraySum(mapValues(sumMap(latency))) FROM sample_minutes"
)

func TestNothingIsLostOrDoubledWhenTheEngineIsKilled(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	b := newBench(t)
	b.startEngine()
	stop := b.run(b.config())
	const kills, total = 2, 1000
	records := samples(time.Now(), total)
	for kill := range kills {
		b.produce(records[kill*total/kills : (kill+1)*total/kills]...)
		conn := b.conn()
		target := uint64(kill*total/kills) + random.Uint64N(total/kills)
		var got uint64
		for deadline := time.Now().Add(30 * time.Second); got <= target && time.Now().Before(deadline); {
			if err := conn.QueryRow(t.Context(), countSamples).Scan(&got); err != nil && !strings.Contains(err.Error(), "UNKNOWN_TABLE") {
				t.Fatal(err)
			}
		}
		if err := b.process.Kill(); err != nil {
			t.Fatal(err)
		}
		if kill%2 == 1 { // the sink dies too, and another goes on
			stop()
			stop = b.run(b.config())
		}
		b.startEngine()
	}
	conn := b.conn()
	b.eventually(conn, countSamples, total)
	b.eventually(conn, sumMinutes, total)
	b.eventually(conn, sumLatency, total)
}

func TestBlockIsRepeatedExactlyAfterACrashBetweenInsertAndCommit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.startEngine()
	var (
		inserted atomic.Int64
		crashed  atomic.Bool
	)
	b.broker.ControlKey(kmsg.OffsetCommit.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.broker.KeepControl()
		commit := req.(*kmsg.OffsetCommitRequest)
		p := commit.Topics[0].Partitions[0]
		if p.Metadata != nil && *p.Metadata != "" { // a plan: let it through
			return nil, nil, false
		}
		if crashed.Load() {
			return nil, nil, false
		}
		inserted.Add(1)
		return nil, kerr.UnknownServerError, true // the connection dies instead of committing
	})
	start := time.Now()
	records := samples(start, 200)
	b.produce(records[:30]...)
	stop := b.run(b.config())
	conn := b.conn()
	b.eventually(conn, countSamples, 30)
	stop()
	if inserted.Load() == 0 {
		t.Fatal("no block was inserted before its commit failed")
	}
	crashed.Store(true)
	b.produce(records[30:]...) // what comes now must not go into the repeated blocks
	b.run(b.config())
	b.eventually(conn, countSamples, 200)
	b.eventually(conn, sumMinutes, 200)
}

func TestEqualBlocksAreNotTakenForRepeats(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.startEngine()
	one, now := samples(time.Now(), 1)[0], time.Now()
	twin := &kgo.Record{Topic: one.Topic, Partition: 1, Key: one.Key, Value: one.Value, Timestamp: now}
	one.Timestamp = now
	b.produce(one, twin)
	b.run(b.config())
	b.eventually(b.conn(), countSamples, 2)
}

func TestOutagePausesTheSinkAndItResumes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.startEngine()
	b.process.Stop()
	cfg := b.config()
	b.run(cfg)
	b.produce(samples(time.Now(), 120)...)
	adm := kadm.NewClient(b.cl)
	failures := func() (n int64) { // of whichever partition came first: nothing more is fetched then
		for p := range int32(2) {
			n += cfg.Recorder.Series(topics.SeriesKey{Stage: topics.StageSink, System: "clickhouse", Stream: "clickhouse.samples", Partition: p}).Errors()
		}
		return n
	}
	for deadline := time.Now().Add(30 * time.Second); failures() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the sink does not count its failures")
		}
	}
	offsets, err := adm.FetchOffsets(t.Context(), Group(acme))
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At > 0 {
			t.Errorf("offset %d of %s is committed without an insert", o.At, o.Topic)
		}
	})
	b.startEngine()
	b.eventually(b.conn(), countSamples, 120)
	if len(b.dead) > 0 {
		t.Errorf("an outage made %d dead letters", len(b.dead))
	}
}

func TestConflictsAndChangesArriveMaskedAndOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.startEngine()
	now := time.Now().UnixMicro()
	c := schemas.Conflict{ConflictKey: schemas.ConflictKey{Entity: "product", ID: "SKU-1", Field: "price"}, Open: true, Rule: "owner",
		Winner: schemas.Side{Stream: "erp.material", SourceKey: `["1"]`, Value: `"9.99"`},
		Losers: []schemas.Side{{Stream: "pim.product", SourceKey: `["x'y"]`, Value: `"8.99"`}}, Since: now - 1e6, Updated: now}
	closed := c
	closed.Open, closed.Losers = false, nil
	secret := c
	secret.Field, secret.Winner.Value, secret.Losers[0].Value = "contact", `"ann@acme.example"`, `"bob@acme.example"`
	gone := &kgo.Record{Topic: acme.Conflicts(), Partition: 1, Key: schemas.AppendConflictKey(schemas.AppendFrame(nil, 3), secret.ConflictKey)}
	garbage := &kgo.Record{Topic: acme.Conflicts(), Partition: 0, Key: []byte("?"), Value: []byte("?")}
	b.produce(conflictRecord(c, 0), garbage, conflictRecord(closed, 0), conflictRecord(secret, 1))
	ch := schemas.Change{ChangeKey: schemas.ChangeKey{Entity: "product", ID: "SKU-1"}, Field: "price",
		New: sql.NullString{String: `"9.99"`, Valid: true}, Version: schemas.Version{Generation: 1, Offset: 7},
		Stream: "erp.material", SourceKey: `["1"]`, SourceTime: sql.NullInt64{Int64: now - 2e6, Valid: true}, ChangedAt: now}
	personal := ch
	personal.Field, personal.New.String = "contact", `"ann@acme.example"`
	b.produce(changeRecord(ch, 0), changeRecord(personal, 0), changeRecord(ch, 0))
	b.refuseCommits() // blocks are repeated, dead letters are not
	b.run(b.config())
	conn := b.conn()
	b.eventually(conn, "SELECT count() FROM conflicts FINAL WHERE field = 'price' AND NOT open", 1)
	b.eventually(conn, "SELECT count() FROM conflicts FINAL WHERE field = 'contact' AND open AND losers[1].value = '\"***\"'", 1)
	b.eventually(conn, "SELECT count() FROM changes FINAL", 2)
	b.eventually(conn, "SELECT count() FROM changes FINAL WHERE old IS NULL AND new = '\"9.99\"' AND delay_ms = 2000", 1)
	b.eventually(conn, "SELECT count() FROM changes FINAL WHERE field = 'contact' AND old IS NULL AND new = '\"***\"'", 1)
	b.produce(gone)
	b.eventually(conn, "SELECT count() FROM conflicts FINAL WHERE open", 0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.dead) != 1 || string(b.dead[0].Value) != "?" {
		t.Errorf("dead letters: %v", b.dead)
	}
}

func TestPlanText(t *testing.T) {
	p := plan{Start: 5, End: 9, Salt: 77}
	if got, ok := planFrom(5, p.metadata()); !ok || got != p {
		t.Errorf("plan %v is read as %v, %v", p, got, ok)
	}
	for _, text := range []string{"", "v1", "v2 9 7", "v1 5 7", "some other tool's"} {
		if _, ok := planFrom(5, text); ok {
			t.Errorf("%q is read as a plan", text)
		}
	}
	at := partition{"t", 1}
	renewed := p
	renewed.Salt++
	if p.token(at) == renewed.token(at) {
		t.Error("a topic that was made anew repeats old tokens")
	}
}

func TestConfigNamesEveryFaultWithoutThePassword(t *testing.T) {
	_, err := New(Config{URL: "clickhouse://u:hunter2@[broken", MaxRows: -1})
	for _, want := range []string{"required", "analytics.clickhouse", "MaxRows"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Error("the error shows the password")
	}
}
