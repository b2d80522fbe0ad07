package topics

import (
	"context"
	"database/sql"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How often samples are written: of a series that moved, and of one that did not.
const (
	sampleInterval    = time.Second
	heartbeatInterval = 10 * time.Second
	lastFlush         = 2 * time.Second // longest time for the flush at the end
)

// unknown marks a gauge that was never set: lag and verifiedThrough are null until they are
// known, never 0.
const unknown = math.MinInt64

// A Series counts what one stage does with one stream or entity in one partition. Its methods are
// cheap (an atomic each) and may be called from any goroutine.
type Series struct {
	key                    SeriesKey
	records, bytes, errors atomic.Int64
	lagRecords, lagMillis  atomic.Int64
	verified, conflicts    atomic.Int64
	latency                sketch

	// What follows belongs to the goroutine that flushes: what samples have said so far.
	said    counts
	gauges  gauges
	buckets *[sketchBuckets]int64
	at      time.Time
}

type counts struct{ records, bytes, errors int64 }

type gauges struct{ lagRecords, lagMillis, verified, conflicts int64 }

// Add counts records and their bytes.
func (s *Series) Add(records, bytes int64) {
	s.records.Add(records)
	s.bytes.Add(bytes)
}

// Error counts one failed record or attempt.
func (s *Series) Error() { s.errors.Add(1) }

// Errors is how many errors were counted since the process began.
func (s *Series) Errors() int64 { return s.errors.Load() }

// SetLag sets how far the stage is behind; a negative part is unknown.
func (s *Series) SetLag(records int64, behind time.Duration) {
	ms := behind.Milliseconds()
	if behind < 0 {
		ms = unknown
	}
	if records < 0 {
		records = unknown
	}
	s.lagRecords.Store(records)
	s.lagMillis.Store(ms)
}

// SetVerified sets the frontier's source time in µs since 1970; 0 is unknown.
func (s *Series) SetVerified(micros int64) {
	if micros == 0 {
		micros = unknown
	}
	s.verified.Store(micros)
}

// SetConflicts sets the number of open conflicts.
func (s *Series) SetConflicts(open int64) { s.conflicts.Store(open) }

// ObserveLatency counts a record by the time from its commit at the source to now.
func (s *Series) ObserveLatency(d time.Duration) { s.latency.add(d) }

// A Recorder keeps the series of a process, writes them to the telemetry topic (Run), and shows
// them to Prometheus (it is a Collector).
type Recorder struct {
	instance string

	mu     sync.Mutex // protects series
	series map[SeriesKey]*Series

	failures atomic.Int64 // flushes that Kafka did not take
}

// NewRecorder makes the recorder of a process; instance is its name.
func NewRecorder(instance string) *Recorder {
	return &Recorder{instance: instance, series: map[SeriesKey]*Series{}}
}

// Series gives the series of a key, which is made on the first call.
func (r *Recorder) Series(key SeriesKey) *Series {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.series[key]
	if s == nil {
		s = &Series{key: key, buckets: new([sketchBuckets]int64), at: time.Now()}
		for _, gauge := range []*atomic.Int64{&s.lagRecords, &s.lagMillis, &s.verified, &s.conflicts} {
			gauge.Store(unknown)
		}
		s.gauges = s.gaugesNow()
		r.series[key] = s
	}
	return s
}

// Drop ends a series: a partition that went to another process is reported there.
func (r *Recorder) Drop(key SeriesKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.series, key)
}

// Run writes samples until ctx ends, and then once more: each second those of series that moved,
// every ten seconds all. Counts that Kafka did not take go into the next sample, so an outage
// loses nothing. produce writes records and returns when they are durable.
func (r *Recorder) Run(ctx context.Context, topic string, frame Frame, produce func(context.Context, ...*kgo.Record) error) error {
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			r.flush(ctx, now, topic, frame, produce)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			r.flush(last, time.Now(), topic, frame, produce)
			return nil
		}
	}
}

func (r *Recorder) flush(ctx context.Context, now time.Time, topic string, frame Frame, produce func(context.Context, ...*kgo.Record) error) {
	var (
		records []*kgo.Record
		said    []func()
	)
	for _, s := range r.list() {
		sample, done, due := s.sample(now, r.instance)
		if !due {
			continue
		}
		records = append(records, &kgo.Record{Topic: topic,
			Key: AppendSampleKey(frame.Key(nil), s.key), Value: AppendSample(frame.Value(nil), &sample)})
		said = append(said, done)
	}
	if len(records) == 0 {
		return
	}
	if err := produce(ctx, records...); err != nil {
		r.failures.Add(1) // the counts stay with the series until a later flush
		return
	}
	for _, done := range said {
		done()
	}
}

func (r *Recorder) list() []*Series {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*Series, 0, len(r.series))
	for _, s := range r.series {
		out = append(out, s)
	}
	return out
}

// sample gives what the series has to say since its last sample, whether it is due, and what to
// call once it has been written.
func (s *Series) sample(now time.Time, instance string) (sample Sample, done func(), due bool) {
	total := counts{s.records.Load(), s.bytes.Load(), s.errors.Load()}
	gauges := s.gaugesNow()
	due = total != s.said || gauges != s.gauges || now.Sub(s.at) >= heartbeatInterval
	if !due {
		return sample, nil, false
	}
	latency, buckets := s.latency.since(s.buckets)
	sample = Sample{
		SeriesKey: s.key, Time: now.UnixMicro(), Instance: instance, Window: now.Sub(s.at).Milliseconds(),
		Records: total.records - s.said.records, Bytes: total.bytes - s.said.bytes, Errors: total.errors - s.said.errors,
		LagRecords: known(gauges.lagRecords), LagMillis: known(gauges.lagMillis),
		VerifiedThrough: known(gauges.verified), ConflictsOpen: known(gauges.conflicts), Latency: latency,
	}
	return sample, func() { s.said, s.gauges, s.buckets, s.at = total, gauges, buckets, now }, true
}

func (s *Series) gaugesNow() gauges {
	return gauges{s.lagRecords.Load(), s.lagMillis.Load(), s.verified.Load(), s.conflicts.Load()}
}

func known(v int64) sql.NullInt64 {
	if v == unknown {
		return sql.NullInt64{}
	}
	return sql.NullInt64{Int64: v, Valid: true}
}
