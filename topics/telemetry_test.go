package topics

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"tributary/schemas"
)

func TestSampleIsWhatItsSchemaSays(t *testing.T) {
	schema := avro.MustParse(SampleSchema)
	avro.MustParse(SampleKeySchema)
	rapid.Check(t, func(t *rapid.T) {
		null := func(name string) sql.NullInt64 {
			v := sql.NullInt64{Valid: rapid.Bool().Draw(t, name+" known")}
			if v.Valid {
				v.Int64 = rapid.Int64Range(-1<<40, 1<<50).Draw(t, name)
			}
			return v
		}
		s := Sample{SeriesKey: SeriesKey{StageResolve, "erp", "erp.material", rapid.String().Draw(t, "entity"), rapid.Int32().Draw(t, "partition")},
			Time: rapid.Int64Range(0, 1<<52).Draw(t, "time"), Instance: "a", Window: 1000, Records: rapid.Int64().Draw(t, "records"), Bytes: 5, Errors: 1,
			LagRecords: null("lag"), LagMillis: null("ms"), VerifiedThrough: null("verified"), ConflictsOpen: null("conflicts")}
		for i := range rapid.IntRange(0, 5).Draw(t, "buckets") {
			s.Latency = append(s.Latency, Bucket{int32(i), rapid.Int64().Draw(t, "count")})
		}
		body := AppendSample(nil, &s)
		if got, err := DecodeSample(body); err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("decoded %+v, %v; want %+v", got, err, s)
		}
		var fields map[string]any
		if err := avro.Unmarshal(schema, body, &fields); err != nil {
			t.Fatalf("another Avro library cannot read it: %v", err)
		}
		if fields["entity"] != s.Entity || (fields["lagRecords"] != nil) != s.LagRecords.Valid || len(fields["latency"].([]any)) != len(s.Latency) {
			t.Fatalf("another Avro library reads %v from %+v", fields, s)
		}
		again, err := avro.Marshal(schema, fields) // with block sizes, as Java clients write
		if err != nil {
			t.Fatal(err)
		}
		if got, err := DecodeSample(again); err != nil || !reflect.DeepEqual(got, s) {
			t.Fatalf("decoded %+v, %v from another library's bytes; want %+v", got, err, s)
		}
		if _, err := DecodeSample(body[:rapid.IntRange(0, len(body)-1).Draw(t, "cut at")]); !errors.Is(err, schemas.ErrShort) {
			t.Fatalf("a cut body decodes with %v", err)
		}
	})
}

// quantile gives the q-quantile (0 to 1) of the values that buckets, ordered by index, count;
// ok is false where they count none.
func quantile(buckets []Bucket, q float64) (d time.Duration, ok bool) {
	var total int64
	for _, b := range buckets {
		total += b.Count
	}
	rank := int64(q * float64(total-1))
	for _, b := range buckets {
		if rank < b.Count {
			return BucketValue(b.Index), true
		}
		rank -= b.Count
	}
	return 0, false
}

func TestMergedSketchesKeepTheirError(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(int64(time.Millisecond), int64(24*time.Hour)), 1, 200).Draw(t, "latencies")
		var parts [3]sketch
		for i, v := range values {
			parts[i%3].add(time.Duration(v))
		}
		var merged [sketchBuckets]int64
		for i := range parts {
			added, _ := parts[i].since(new([sketchBuckets]int64))
			for _, b := range added {
				merged[b.Index] += b.Count
			}
		}
		var buckets []Bucket
		for i, n := range merged {
			if n > 0 {
				buckets = append(buckets, Bucket{int32(i), n})
			}
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			want := float64(values[int(q*float64(len(values)-1))])
			got, ok := quantile(buckets, q)
			if !ok || math.Abs(float64(got)-want) > 0.0201*want {
				t.Fatalf("quantile %v is %v, want %v", q, got, time.Duration(want))
			}
		}
	})
}

// taken keeps what a recorder produces; fail makes it refuse.
type taken struct {
	samples []Sample
	fail    bool
}

func (k *taken) produce(_ context.Context, records ...*kgo.Record) error {
	if k.fail {
		return errors.New("broker is down")
	}
	for _, r := range records {
		_, body, err := schemas.Unframe(r.Value)
		if err != nil {
			return err
		}
		s, err := DecodeSample(body)
		if err != nil {
			return err
		}
		k.samples = append(k.samples, s)
	}
	return nil
}

func TestRecorderLosesNothingInAnOutage(t *testing.T) {
	r, kafka, now := NewRecorder("a"), &taken{}, time.Now()
	flush := func(later time.Duration) { r.flush(t.Context(), now.Add(later), "t", Frame{}, kafka.produce) }
	s := r.Series(SeriesKey{Stage: StageIngest, Stream: "erp.material"})
	flush(time.Second)
	if len(kafka.samples) != 0 {
		t.Fatalf("an idle series wrote %+v", kafka.samples)
	}
	s.Add(3, 300)
	s.Error()
	s.ObserveLatency(time.Second)
	kafka.fail = true
	flush(2 * time.Second)
	s.Add(1, 100)
	kafka.fail = false
	flush(3 * time.Second)
	if len(kafka.samples) != 1 {
		t.Fatalf("wrote %+v", kafka.samples)
	}
	got := kafka.samples[0]
	if got.Records != 4 || got.Bytes != 400 || got.Errors != 1 || len(got.Latency) != 1 || got.Latency[0].Count != 1 || got.Window < 2900 {
		t.Errorf("after an outage: %+v", got)
	}
	if got.LagRecords.Valid || got.LagMillis.Valid || got.VerifiedThrough.Valid || got.ConflictsOpen.Valid {
		t.Errorf("what was never set is not null: %+v", got)
	}
	flush(4 * time.Second)
	if len(kafka.samples) != 1 {
		t.Errorf("an idle series wrote %+v", kafka.samples[1:])
	}
	s.SetLag(0, 0)
	s.SetVerified(now.UnixMicro())
	flush(5 * time.Second)
	s.SetLag(-1, -1)
	flush(6 * time.Second)
	flush(16 * time.Second) // heartbeat
	last := kafka.samples[len(kafka.samples)-1]
	if len(kafka.samples) != 4 || !kafka.samples[1].LagRecords.Valid || kafka.samples[2].LagMillis.Valid || last.VerifiedThrough.Int64 != now.UnixMicro() {
		t.Errorf("gauges and heartbeat: %+v", kafka.samples)
	}
}

func TestRecorderWritesOnceMoreAtTheEnd(t *testing.T) {
	r, kafka := NewRecorder("a"), &taken{}
	r.Series(SeriesKey{Stage: StageSink}).Add(1, 1)
	r.Series(SeriesKey{Stage: StageSink, Partition: 1}).Add(1, 1)
	r.Drop(SeriesKey{Stage: StageSink, Partition: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, "t", Frame{}, kafka.produce); err != nil || len(kafka.samples) != 1 {
		t.Errorf("wrote %+v, %v", kafka.samples, err)
	}
}

func TestRecorderShowsWhatItKnowsToPrometheus(t *testing.T) {
	r := NewRecorder("a")
	s := r.Series(SeriesKey{Stage: StageNormalize, System: "erp", Stream: "erp.material", Partition: 2})
	s.Add(5, 50)
	s.SetVerified(1_500_000)
	s.ObserveLatency(80 * time.Millisecond)
	s.ObserveLatency(2 * time.Hour)
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(r)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.Metric{}
	for _, f := range families {
		byName[f.GetName()] = f.GetMetric()[0]
	}
	if byName["tributary_records_total"].GetCounter().GetValue() != 5 || byName["tributary_verified_through_timestamp_seconds"].GetGauge().GetValue() != 1.5 {
		t.Errorf("metrics: %v", byName)
	}
	if _, there := byName["tributary_lag_records"]; there {
		t.Error("an unknown lag is shown")
	}
	h := byName["tributary_latency_seconds"].GetHistogram()
	for _, b := range h.GetBucket() {
		if want := map[bool]uint64{true: 1, false: 0}[b.GetUpperBound() >= 0.1]; b.GetCumulativeCount() != want {
			t.Errorf("bucket %v counts %d, want %d", b.GetUpperBound(), b.GetCumulativeCount(), want)
		}
	}
	if h.GetSampleCount() != 2 || math.Abs(h.GetSampleSum()-7200.08) > 0.001 {
		t.Errorf("histogram %v", h)
	}
}
