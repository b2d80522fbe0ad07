package topics

import (
	"database/sql"
	"fmt"

	"tributary/schemas"
)

// A Stage is a part of the way of the data that reports on itself.
type Stage string

// The stages, in the order in which data flows.
const (
	StageIngest    Stage = "ingest"
	StageNormalize Stage = "normalize"
	StageResolve   Stage = "resolve"
	StageSink      Stage = "sink"
)

// A SeriesKey names what a sample is about. Its values come from the manifest, never from
// records (I11).
type SeriesKey struct {
	Stage     Stage
	System    string // empty where the stage works on an entity as a whole
	Stream    string // "<system>.<stream>", or empty likewise
	Entity    string // empty before normalize
	Partition int32  // input partition; 0 at ingest
}

// A Sample is what a stage did in a window of time, and how it stood at the window's end. Samples
// are mergeable: counts and sketches add up over any time, partitions and instances.
type Sample struct {
	SeriesKey
	Time     int64  // µs since 1970: the window's end
	Instance string // of the process
	Window   int64  // ms

	Records, Bytes, Errors int64 // in the window

	LagRecords      sql.NullInt64 // null: unknown, never 0 for it
	LagMillis       sql.NullInt64
	VerifiedThrough sql.NullInt64 // µs since 1970 on the source's clock; null: never verified (I4)
	ConflictsOpen   sql.NullInt64

	// Latency counts the window's records by the time from the source's commit to this stage.
	Latency []Bucket
}

// Avro schemas of the telemetry topic.
const (
	SampleKeySchema = `{"type":"record","name":"SampleKey","namespace":"tributary","fields":[` + seriesFields + `]}`
	SampleSchema    = `{"type":"record","name":"Sample","namespace":"tributary","fields":[` + seriesFields + `,` +
		`{"name":"time","type":` + timeType + `},{"name":"instance","type":"string"},{"name":"windowMs","type":"long"},` +
		`{"name":"records","type":"long"},{"name":"bytes","type":"long"},{"name":"errors","type":"long"},` +
		`{"name":"lagRecords","type":["null","long"],"default":null},{"name":"lagMs","type":["null","long"],"default":null},` +
		`{"name":"verifiedThrough","type":["null",` + timeType + `],"default":null},{"name":"conflictsOpen","type":["null","long"],"default":null},` +
		`{"name":"latency","doc":"bucket i counts values in (g^(i-1), g^i] ms with g = 51/49","type":{"type":"array","items":{"type":"record","name":"Bucket","fields":[{"name":"index","type":"int"},{"name":"count","type":"long"}]}}}]}`

	seriesFields = `{"name":"stage","type":"string"},{"name":"system","type":"string"},{"name":"stream","type":"string"},{"name":"entity","type":"string"},{"name":"partition","type":"int"}`
	timeType     = `{"type":"long","logicalType":"timestamp-micros","connect.name":"io.debezium.time.MicroTimestamp"}`
)

// AppendSampleKey appends a key's Avro body.
func AppendSampleKey(dst []byte, k SeriesKey) []byte {
	dst = schemas.AppendString(schemas.AppendString(dst, string(k.Stage)), k.System)
	dst = schemas.AppendString(schemas.AppendString(dst, k.Stream), k.Entity)
	return schemas.AppendLong(dst, int64(k.Partition))
}

// AppendSample appends a sample's Avro body.
func AppendSample(dst []byte, s *Sample) []byte {
	dst = schemas.AppendLong(AppendSampleKey(dst, s.SeriesKey), s.Time)
	dst = schemas.AppendLong(schemas.AppendString(dst, s.Instance), s.Window)
	dst = schemas.AppendLong(schemas.AppendLong(schemas.AppendLong(dst, s.Records), s.Bytes), s.Errors)
	dst = schemas.AppendNullLong(schemas.AppendNullLong(dst, s.LagRecords), s.LagMillis)
	dst = schemas.AppendNullLong(schemas.AppendNullLong(dst, s.VerifiedThrough), s.ConflictsOpen)
	if len(s.Latency) > 0 {
		dst = schemas.AppendLong(dst, int64(len(s.Latency)))
		for _, b := range s.Latency {
			dst = schemas.AppendLong(schemas.AppendLong(dst, int64(b.Index)), b.Count)
		}
	}
	return append(dst, 0)
}

// DecodeSample reads a sample's Avro body.
func DecodeSample(body []byte) (s Sample, err error) {
	r := schemas.NewReader(body)
	s.Stage, s.System, s.Stream, s.Entity = Stage(r.String()), r.String(), r.String(), r.String()
	s.Partition, s.Time, s.Instance, s.Window = int32(r.Long()), r.Long(), r.String(), r.Long()
	s.Records, s.Bytes, s.Errors = r.Long(), r.Long(), r.Long()
	s.LagRecords, s.LagMillis = r.NullLong(), r.NullLong()
	s.VerifiedThrough, s.ConflictsOpen = r.NullLong(), r.NullLong()
	for n := r.Long(); n != 0 && r.Err() == nil; n = r.Long() {
		if n < 0 { // a block that says its size in bytes
			n = -n
			r.Long()
		}
		for ; n > 0 && r.Err() == nil; n-- {
			s.Latency = append(s.Latency, Bucket{Index: int32(r.Long()), Count: r.Long()})
		}
	}
	if r.Err() != nil {
		return s, fmt.Errorf("sample of stage %s, stream %s, entity %s: %w", s.Stage, s.Stream, s.Entity, r.Err())
	}
	return s, nil
}
