package node

import (
	"time"

	"tributary/topics"
)

// A stageMeter counts what a processing stage does.
type stageMeter struct {
	recorder *topics.Recorder
	key      topics.SeriesKey
}

func (m *stageMeter) series(partition int32) *topics.Series {
	key := m.key
	key.Partition = partition
	return m.recorder.Series(key)
}

// Processed implements processors.Meter.
func (m *stageMeter) Processed(partition int32, records, bytes, lag int64) {
	s := m.series(partition)
	s.Add(records, bytes)
	s.SetLag(lag, 0)
}

// Reached implements processors.Meter.
func (m *stageMeter) Reached(partition int32, stream string, micros int64) {
	if micros == 0 {
		return
	}
	key := m.key
	key.Partition = partition
	if key.Entity != "" {
		key.Stream = stream
	}
	m.recorder.Series(key).SetVerified(micros)
}

// Failed implements processors.Meter.
func (m *stageMeter) Failed() { m.series(0).Error() }

// An ingestMeter counts what a connection captures.
type ingestMeter struct {
	recorder *topics.Recorder
	system   string
}

func (m *ingestMeter) series(stream string) *topics.Series {
	return m.recorder.Series(topics.SeriesKey{Stage: topics.StageIngest, System: m.system, Stream: stream})
}

// Captured implements ingest.Meter.
func (m *ingestMeter) Captured(stream string, records, bytes int64) {
	m.series(stream).Add(records, bytes)
}

// Verified implements ingest.Meter.
func (m *ingestMeter) Verified(stream string, micros int64) {
	s := m.series(stream)
	s.SetVerified(micros)
	s.SetLag(-1, time.Since(time.UnixMicro(micros))) // how many records lie behind it, the source does not say
}

// Failed implements ingest.Meter.
func (m *ingestMeter) Failed(stream string) { m.series(stream).Error() }
