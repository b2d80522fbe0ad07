package topics

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
)

// RequestKind says what an operator asks for.
type RequestKind string

// The kinds of requests, with what their Subject and Arguments are.
const (
	// SnapshotStart reads a stream anew; subject "<system>.<stream>", no arguments.
	SnapshotStart RequestKind = "snapshot-start"
	// SnapshotCancel ends a repeated snapshot that runs or waits; subject as SnapshotStart.
	SnapshotCancel RequestKind = "snapshot-cancel"
	// DeadLetterReplay runs the newest raw records of dead-lettered rows again, DeadLetterDiscard
	// gives them up; subject PartitionSubject, arguments Letters.
	DeadLetterReplay  RequestKind = "dlq-replay"
	DeadLetterDiscard RequestKind = "dlq-discard"
)

// RequestState says how far a request has come.
type RequestState string

// The states of a request: asked → running → done, failed or cancelled; running may be left out.
const (
	RequestAsked     RequestState = "asked"
	RequestRunning   RequestState = "running"
	RequestDone      RequestState = "done"
	RequestFailed    RequestState = "failed"
	RequestCancelled RequestState = "cancelled"
)

// A Request is what an operator asked, and what became of it. The command line writes it once; the
// process that owns its subject carries it out, and writes its outcome in the Kafka transaction
// that holds the work, so that it is done once whatever is killed.
type Request struct {
	ID          string
	Kind        RequestKind
	Subject     string
	Arguments   []byte // JSON; gone once the request has ended
	RequestedAt int64  // µs since 1970
	Owner       string // the instance that took it; "" before
	State       RequestState
	Progress    []byte // JSON, of the kind's own form; nil: none
	Outcome     string // for people; "" before the end
}

// Ended says whether nothing more will happen to the request.
func (r *Request) Ended() bool {
	return r.State == RequestDone || r.State == RequestFailed || r.State == RequestCancelled
}

// End gives the request with its outcome.
func (r Request) End(state RequestState, outcome string) Request {
	r.State, r.Outcome, r.Arguments = state, outcome, nil
	return r
}

// Asked is when the request was made.
func (r *Request) Asked() time.Time { return time.UnixMicro(r.RequestedAt).UTC() }

// PartitionSubject is the subject of requests to the owner of a stream's raw partition.
func PartitionSubject(streamID string, partition int32) string {
	return fmt.Sprintf("%s/%d", streamID, partition)
}

// Avro schemas of state.requests.
const (
	RequestKeySchema = `{"type":"record","name":"RequestKey","namespace":"tributary","fields":[{"name":"id","type":"string"}]}`
	RequestSchema    = `{"type":"record","name":"Request","namespace":"tributary","fields":[{"name":"id","type":"string"},{"name":"kind","type":"string"},{"name":"subject","type":"string"},{"name":"arguments","type":"bytes"},{"name":"requestedAt","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"owner","type":"string"},{"name":"state","type":"string"},{"name":"progress","type":"bytes"},{"name":"outcome","type":"string"}]}`
)

// RequestRecord makes the record of state.requests that holds a request.
func RequestRecord(names Names, f Frame, r *Request) *kgo.Record {
	return &kgo.Record{Topic: names.Requests(), Key: schemas.AppendString(f.Key(nil), r.ID), Value: appendRequest(f.Value(nil), r)}
}

func appendRequest(dst []byte, r *Request) []byte {
	dst = schemas.AppendString(schemas.AppendString(schemas.AppendString(dst, r.ID), string(r.Kind)), r.Subject)
	dst = schemas.AppendLong(schemas.AppendBytes(dst, r.Arguments), r.RequestedAt)
	dst = schemas.AppendString(schemas.AppendString(dst, r.Owner), string(r.State))
	return schemas.AppendString(schemas.AppendBytes(dst, r.Progress), r.Outcome)
}

// ReadRequests reads state.requests to its end and gives the newest record of each request, in the
// order of their asking.
func ReadRequests(ctx context.Context, c *Cluster, names Names) ([]Request, error) {
	newest := map[string]Request{}
	err := c.ReadToEnd(ctx, names.Requests(), map[int32]int64{0: 0}, func(r *kgo.Record) error {
		if r.Value == nil {
			return nil
		}
		req, err := DecodeRequest(r.Value)
		newest[req.ID] = req
		return err
	})
	return inOrder(maps.Values(newest)), err
}

func inOrder(requests iter.Seq[Request]) []Request {
	return slices.SortedFunc(requests, func(a, b Request) int {
		return cmp.Or(cmp.Compare(a.RequestedAt, b.RequestedAt), cmp.Compare(a.ID, b.ID))
	})
}

// DecodeRequest reads the value of a record of state.requests, frame and all.
func DecodeRequest(value []byte) (r Request, err error) {
	_, body, err := schemas.Unframe(value)
	if err != nil {
		return r, fmt.Errorf("request: %w", err)
	}
	rd := schemas.NewReader(body)
	r.ID, r.Kind, r.Subject = rd.String(), RequestKind(rd.String()), rd.String()
	r.Arguments = append([]byte(nil), rd.Bytes()...)
	r.RequestedAt, r.Owner, r.State = rd.Long(), rd.String(), RequestState(rd.String())
	r.Progress = append([]byte(nil), rd.Bytes()...)
	r.Outcome = rd.String()
	if rd.Err() != nil {
		return r, fmt.Errorf("request %s: %w", r.ID, rd.Err())
	}
	return r, nil
}
