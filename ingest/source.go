package ingest

import (
	"context"
	"time"

	"tributary/mesh"
	"tributary/topics"
)

// A Source captures one connection: a database or an API. A driver implements it; the runner
// of this package gives its changes epochs and eras, writes them to Kafka and keeps positions.
// A Source is used by one runner at a time; its methods are called one after another.
type Source interface {
	// Discover describes the streams as they are upstream now. Faults that the owner of the
	// system must mend (a missing table, privilege or key) come as *Fault, joined.
	Discover(ctx context.Context) ([]Contract, error)
	// Snapshot reads the requested streams whole and hands each row to out as OpRead. With
	// First set it also makes the change stream begin at the snapshot's point (slot, export)
	// and returns where Stream starts; otherwise it returns nil.
	Snapshot(ctx context.Context, req SnapshotRequest, out Emitter) (Resume, error)
	// Stream hands over the changes behind from, in order, with marks, until ctx ends (it then
	// returns ctx's error). ErrPositionLost says that the source no longer has them.
	Stream(ctx context.Context, from Resume, out Emitter) error
}

// An Opener makes the Source of a system. The runner calls it for each new try.
type Opener func(ctx context.Context) (Source, error)

// Resume is a driver's own text of where its stream goes on, for Postgres an LSN. Only the
// driver reads it; it is kept in state.positions.
type Resume []byte

// A SnapshotRequest names the streams to read whole.
type SnapshotRequest struct {
	First   bool  // the connection has no position yet
	Streams []int // indices into the driver's streams
	// After is the last major coordinate that was delivered before a snapshot that is not the
	// first: its rows carry (After, 2^64−1).
	After topics.Major
	// Begun is what an earlier try of this first snapshot marked, by stream: only what it lacks is
	// read. Empty: there was no earlier try. Where it cannot be gone on with, Snapshot returns
	// ErrPositionLost.
	Begun map[int][]byte
	// Try counts the tries of a first snapshot from 0. Each reads at a later time, so its rows carry
	// its number as their minor coordinate.
	Try uint64
}

// A Contract is the shape of a stream's records.
type Contract struct {
	Stream      int // index into the driver's streams
	KeySchema   string
	ValueSchema string
	// Delete appends, without frame, the envelope of a delete that no source change stands
	// behind: one of I5 or of a TRUNCATE, at the given source time.
	Delete func(dst []byte, at time.Time) []byte
	// EstimatedRows is the source's own guess of the stream's size, for progress; −1 unknown.
	EstimatedRows int64
}

// SchemaIDs are the registry's ids of a contract.
type SchemaIDs struct{ Key, Value int }

// Op is an envelope's operation, in Debezium's letters.
type Op byte

// The operations.
const (
	OpRead     Op = 'r'
	OpCreate   Op = 'c'
	OpUpdate   Op = 'u'
	OpDelete   Op = 'd'
	OpTruncate Op = 't'
)

// A Change is one change of one row, encoded. A primary-key change comes as a delete and a
// create with rising Minor.
type Change struct {
	Stream int
	Op     Op
	Key    []byte // framed Avro key; nil for OpTruncate
	Value  []byte // framed Avro envelope; nil for OpTruncate
	Major  topics.Major
	Minor  uint64
	// CommitTime is when the source committed the change.
	CommitTime time.Time
	// Reason says why a delete was written that no source change stands behind; "" otherwise.
	Reason string
}

// A Mark says how far the stream has come; all changes before it were handed over before it.
type Mark struct {
	// Resume and Major say that every source transaction up to here is whole; nil Resume: unchanged.
	Resume Resume
	Major  topics.Major
	// Watermark T: every transaction whose COMMIT was acknowledged before T on the source's
	// clock has been handed over (I4). Zero: nothing new is known.
	Watermark time.Time
	// Snapshot says how far the first snapshot of a stream has come; nil: nothing new.
	Snapshot *SnapshotMark
}

// A SnapshotMark is a driver's own text of what the first snapshot of a stream has read so far: all
// that it names was handed over before it. A later try gets it back as SnapshotRequest.Begun.
type SnapshotMark struct {
	Stream int
	Begun  []byte
}

// An Emitter takes what a Source captures. Its methods may be called by several goroutines, and
// block while too many bytes are under way (I8). Slices handed over belong to the emitter.
type Emitter interface {
	// Contract registers a stream's schemas, valid for the changes that follow.
	Contract(ctx context.Context, c Contract) (SchemaIDs, error)
	// Change takes one change.
	Change(ctx context.Context, c Change) error
	// Mark takes progress of the stream.
	Mark(ctx context.Context, m Mark) error
	// Durable is the newest Resume that Kafka holds together with all before it (I1): what may
	// be confirmed upstream. nil: nothing yet.
	Durable() Resume
}

// Options are what every driver is opened with.
type Options struct {
	Mesh   string
	System *mesh.System
}
