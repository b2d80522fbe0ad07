package topics

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
)

// A PositionKey names a stream of a system, or with an empty Stream the system's connection; the
// entity's generation record has the system "@entity" and the entity as Stream.
type PositionKey struct{ System, Stream string }

// A PositionRecord says how far a stream or connection has been written to Kafka.
type PositionRecord struct {
	// Position: records up to it are in the raw topic; what the source repeats is dropped.
	Position Position
	// Resume is, for a connection, the driver's own text of where its stream goes on.
	Resume []byte
	Epoch  uint32
	Era    uint32
	// Snapshot is the state of the epoch's snapshot.
	Snapshot SnapshotState
	Rows     int64 // rows read by the epoch's snapshot
	// Detail is JSON: of an entity its signature and generation; of a stream whose first snapshot
	// runs, the driver's own text of what was read.
	Detail []byte
}

// SnapshotState is how far the snapshot of a stream's epoch has come.
type SnapshotState string

// The states of a snapshot.
const (
	SnapshotNone    SnapshotState = ""
	SnapshotRunning SnapshotState = "running"
	// SnapshotRepeating: it runs, and an earlier one was complete.
	SnapshotRepeating SnapshotState = "repeating"
	SnapshotDone      SnapshotState = "done"
)

// Avro schemas of state.positions.
const (
	PositionKeySchema    = `{"type":"record","name":"PositionKey","namespace":"tributary","fields":[{"name":"system","type":"string"},{"name":"stream","type":"string"}]}`
	PositionRecordSchema = `{"type":"record","name":"PositionRecord","namespace":"tributary","fields":[{"name":"position","type":{"type":"fixed","name":"Position","size":32}},{"name":"resume","type":"bytes"},{"name":"epoch","type":"long"},{"name":"era","type":"long"},{"name":"snapshot","type":"string"},{"name":"rows","type":"long"},{"name":"detail","type":"bytes"}]}`
)

// AppendPositionKey appends a key's Avro body.
func AppendPositionKey(dst []byte, k PositionKey) []byte {
	return schemas.AppendString(schemas.AppendString(dst, k.System), k.Stream)
}

// AppendPositionRecord appends a record's Avro body.
func AppendPositionRecord(dst []byte, p PositionRecord) []byte {
	dst = schemas.AppendBytes(append(dst, p.Position[:]...), p.Resume)
	dst = schemas.AppendLong(schemas.AppendLong(dst, int64(p.Epoch)), int64(p.Era))
	dst = schemas.AppendLong(schemas.AppendString(dst, string(p.Snapshot)), p.Rows)
	return schemas.AppendBytes(dst, p.Detail)
}

// DecodePosition reads the Avro bodies of a position's key and record.
func DecodePosition(key, value []byte) (k PositionKey, p PositionRecord, err error) {
	r := schemas.NewReader(key)
	k = PositionKey{r.String(), r.String()}
	if r.Err() != nil {
		return k, p, fmt.Errorf("key of a position: %w", r.Err())
	}
	r = schemas.NewReader(value)
	copy(p.Position[:], r.Fixed(PositionSize))
	p.Resume = append([]byte(nil), r.Bytes()...)
	p.Epoch, p.Era = uint32(r.Long()), uint32(r.Long())
	p.Snapshot, p.Rows = SnapshotState(r.String()), r.Long()
	p.Detail = append([]byte(nil), r.Bytes()...)
	if r.Err() != nil {
		return k, p, fmt.Errorf("position of %s.%s: %w", k.System, k.Stream, r.Err())
	}
	return k, p, nil
}

// ReadPositions reads state.positions to its end and gives the newest record of each key.
func ReadPositions(ctx context.Context, c *Cluster, names Names) (map[PositionKey]PositionRecord, error) {
	return readPositions(ctx, c, names, kgo.ReadCommitted())
}

// PeekPositions likewise reads what is not committed, too, and so waits for no transaction: for
// records that are written without one.
func PeekPositions(ctx context.Context, c *Cluster, names Names) (map[PositionKey]PositionRecord, error) {
	return readPositions(ctx, c, names, kgo.ReadUncommitted())
}

func readPositions(ctx context.Context, c *Cluster, names Names, level kgo.IsolationLevel) (map[PositionKey]PositionRecord, error) {
	out := map[PositionKey]PositionRecord{}
	_, err := c.readToEnd(ctx, names.Positions(), map[int32]int64{0: 0}, level, func(r *kgo.Record) error {
		_, key, err := schemas.Unframe(r.Key)
		if err != nil {
			return err
		}
		if r.Value == nil {
			k, _, _ := DecodePosition(key, make([]byte, PositionSize+8))
			delete(out, k)
			return nil
		}
		_, value, err := schemas.Unframe(r.Value)
		if err != nil {
			return err
		}
		k, p, err := DecodePosition(key, value)
		out[k] = p
		return err
	})
	return out, err
}
