package topics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// seriesMetrics describes what a series shows to Prometheus. Moments are exported, not ages: an
// age computed by a process that hangs stays small.
type seriesMetrics struct {
	records, bytes, errors, lagRecords, lagSeconds, verified, conflicts, latency, failures *prometheus.Desc
}

func describeSeries() seriesMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("tributary_"+name, help, []string{"stage", "system", "stream", "entity", "partition"}, nil)
	}
	return seriesMetrics{
		records:    desc("records_total", "Records that the stage has handled."),
		bytes:      desc("bytes_total", "Bytes of the records that the stage has handled."),
		errors:     desc("errors_total", "Records or attempts that failed in the stage."),
		lagRecords: desc("lag_records", "Records that the stage is behind; absent while unknown."),
		lagSeconds: desc("lag_seconds", "Time that the stage is behind; absent while unknown."),
		verified:   desc("verified_through_timestamp_seconds", "Source time up to which everything is through; absent if never verified."),
		conflicts:  desc("conflicts_open", "Open conflicts; absent while unknown."),
		latency:    desc("latency_seconds", "Time from the source's commit to the stage."),
		failures: prometheus.NewDesc("tributary_telemetry_flush_failures_total",
			"Times that Kafka did not take the samples; their counts went into later ones.", nil, nil),
	}
}

// latencyBounds are the upper bounds in seconds of the latency histogram.
func latencyBounds() []float64 {
	return []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}
}

// Describe sends the descriptions of all metrics (prometheus.Collector).
func (r *Recorder) Describe(out chan<- *prometheus.Desc) {
	m := describeSeries()
	for _, d := range []*prometheus.Desc{m.records, m.bytes, m.errors, m.lagRecords, m.lagSeconds, m.verified, m.conflicts, m.latency, m.failures} {
		out <- d
	}
}

// Collect sends the current value of every series (prometheus.Collector).
func (r *Recorder) Collect(out chan<- prometheus.Metric) {
	m := describeSeries()
	out <- prometheus.MustNewConstMetric(m.failures, prometheus.CounterValue, float64(r.failures.Load()))
	for _, s := range r.list() {
		labels := []string{string(s.key.Stage), s.key.System, s.key.Stream, s.key.Entity, strconv.Itoa(int(s.key.Partition))}
		counter := func(d *prometheus.Desc, v int64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
		}
		gauge := func(d *prometheus.Desc, v int64, unit float64) {
			if v != unknown {
				out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v)*unit, labels...)
			}
		}
		counter(m.records, s.records.Load())
		counter(m.bytes, s.bytes.Load())
		counter(m.errors, s.errors.Load())
		gauge(m.lagRecords, s.lagRecords.Load(), 1)
		gauge(m.lagSeconds, s.lagMillis.Load(), 1e-3)
		gauge(m.verified, s.verified.Load(), 1e-6)
		gauge(m.conflicts, s.conflicts.Load(), 1)
		if count, sum, buckets := s.latency.histogram(latencyBounds()); count > 0 {
			out <- prometheus.MustNewConstHistogram(m.latency, count, sum, buckets, labels...)
		}
	}
}

// histogram gives the sketch as cumulative counts up to each bound in seconds.
func (s *sketch) histogram(bounds []float64) (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	next := 0
	for i := range s.counts {
		for next < len(bounds) && BucketValue(int32(i)) > time.Duration(bounds[next]*float64(time.Second)) {
			buckets[bounds[next]] = count
			next++
		}
		count += uint64(s.counts[i].Load())
	}
	for ; next < len(bounds); next++ {
		buckets[bounds[next]] = count
	}
	return count, float64(s.micros.Load()) * 1e-6, buckets
}
