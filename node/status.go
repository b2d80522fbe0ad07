package node

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"time"

	"tributary/mesh"
	"tributary/serve/freshness"
	"tributary/serve/rest"
	"tributary/sinks/views"
	"tributary/topics"
)

// BrokerLimit is how many records, live and dead, the embedded broker is stated to hold; from
// BrokerWarn on the commands warn.
const (
	BrokerLimit = 20_000_000
	BrokerWarn  = BrokerLimit / 10 * 8
)

// How long what takes a query is told again without asking anew.
const (
	rowsFor   = 2 * time.Second
	brokerFor = 10 * time.Second
)

// A status tells what streams and views are doing (rest.StatusProvider).
type status struct {
	*node
	base  rest.FromTracker
	store views.Store

	mu     sync.Mutex // protects what is below; one asks while the others wait
	rows   map[string]rowCount
	broker rest.Broker
	asked  time.Time
}

type rowCount struct {
	rows int64
	at   time.Time
}

func (n *node) statusOf(store views.Store, tracker *freshness.Tracker) *status {
	s := &status{node: n, store: store, rows: map[string]rowCount{}, base: rest.FromTracker{Mesh: n.Mesh.Name, Tracker: tracker}}
	for _, e := range n.Mesh.Entities {
		s.base.Entities = append(s.base.Entities, e.Name)
	}
	return s
}

// Status implements rest.StatusProvider.
func (s *status) Status(ctx context.Context) (rest.Status, error) {
	out, err := s.base.Status(ctx)
	if err != nil {
		return out, err
	}
	readings, now := s.readings(), s.base.Tracker.Now()
	i := 0
	for _, sys := range s.Mesh.Systems {
		for _, stream := range sys.Streams {
			s.stream(&out.Streams[i], stream, readings, now)
			i++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, e := range s.Mesh.Entities {
		if err := s.view(ctx, &out.Views[i], e, readings); err != nil {
			return out, err
		}
	}
	if s.embeddedBroker() {
		if err := s.askBroker(ctx); err != nil {
			return out, err
		}
		broker := s.broker
		out.Broker = &broker
	}
	return out, nil
}

// readings are the recorder's, by key.
func (s *status) readings() map[topics.SeriesKey]topics.Reading {
	out := map[topics.SeriesKey]topics.Reading{}
	for _, r := range s.recorder.Readings() {
		out[r.SeriesKey] = r
	}
	return out
}

func (s *status) stream(out *rest.StreamStatus, stream *mesh.Stream, readings map[topics.SeriesKey]topics.Reading, now time.Time) {
	if out.DownSince != nil {
		out.Reason = s.watch.whyDown(stream.System.Name)
	}
	rec, known, estimate := s.watch.position(stream)
	if known {
		position := rec.Position.String()
		out.Position = &position
		if rec.Snapshot != topics.SnapshotNone {
			out.Snapshot = &rest.Snapshot{State: string(rec.Snapshot), Epoch: rec.Epoch, Rows: rec.Rows}
			if estimate >= 0 {
				out.Snapshot.Estimate = &estimate
			}
		}
	}
	if captured, ok := readings[ingestKey(stream)]; ok {
		out.Captured, out.Errors = &captured.Records, &captured.Errors
		if at := captured.VerifiedThrough; at.Valid {
			behind := max(0, now.Sub(time.UnixMicro(at.Int64)).Milliseconds())
			out.Lag.Ms = &behind
			if !isUsed(s.Mesh, stream) {
				unused(out, time.UnixMicro(at.Int64).UTC(), now)
			}
		}
	}
	if isUsed(s.Mesh, stream) {
		out.Lag.Records = s.lag(readings, topics.SeriesKey{Stage: topics.StageNormalize, System: stream.System.Name, Stream: stream.ID()}, stream.ID())
	}
}

// unused gives a stream that no view reads the state of its capture.
func unused(out *rest.StreamStatus, through, now time.Time) {
	ms := max(0, now.Sub(through).Milliseconds())
	out.VerifiedThrough, out.StalenessMs = &through, &ms
	state := freshness.Live
	switch stale := now.Sub(through); {
	case out.DownSince != nil, stale > freshness.DefaultError:
		state = freshness.Stalled
	case stale > freshness.DefaultWarn:
		state = freshness.Lagging
	}
	out.State = state.String()
}

// view is called under the lock.
func (s *status) view(ctx context.Context, out *rest.ViewStatus, e *mesh.Entity, readings map[topics.SeriesKey]topics.Reading) error {
	count := s.rows[e.Name]
	if time.Since(count.at) > rowsFor {
		stmt, err := s.store.Prepare(ctx, &views.Query{Entity: e, Select: []views.Item{{As: e.Key, Field: e.Field(e.Key)}}})
		if err == nil {
			count.rows, err = stmt.Count(ctx, nil)
		}
		if err != nil {
			return fmt.Errorf("count the rows of view %s: %w", e.Name, err)
		}
		count.at = time.Now()
		s.rows[e.Name] = count
	}
	out.Rows = &count.rows
	out.Incomplete, out.Conflicts = s.watch.sums(e.Name, s.partitions)
	streams := e.Streams()
	if len(streams) == 0 {
		return nil
	}
	var lag *int64
	for _, stage := range []topics.Stage{topics.StageResolve, topics.StageSink} {
		part := s.lag(readings, topics.SeriesKey{Stage: stage, Entity: e.Name}, streams[0].ID())
		if part == nil {
			lag = nil
			break
		}
		if lag == nil {
			lag = new(int64)
		}
		*lag += *part
	}
	out.Lag.Records = lag
	out.Lag.Ms = s.behind(out, streams, readings)
	return nil
}

// behind is how far a view is behind what has been captured, at worst of its streams.
func (s *status) behind(out *rest.ViewStatus, streams []*mesh.Stream, readings map[topics.SeriesKey]topics.Reading) *int64 {
	if out.VerifiedThrough == nil {
		return nil
	}
	var worst int64
	for _, stream := range streams {
		captured := readings[ingestKey(stream)].VerifiedThrough
		if !captured.Valid {
			return nil
		}
		worst = max(worst, time.UnixMicro(captured.Int64).Sub(*out.VerifiedThrough).Milliseconds())
	}
	return &worst
}

// lag sums a stage's lag over its partitions; nil where one is unknown. A partition that never
// had a record has no lag of its own, but where a frontier has been reached there, all below
// its end has been read (I4), and it is behind by nothing.
func (s *status) lag(readings map[topics.SeriesKey]topics.Reading, key topics.SeriesKey, stream string) *int64 {
	var sum int64
	for p := range s.partitions {
		key.Partition = p
		at := key
		at.Stream = stream
		lag := readings[key].LagRecords
		if !lag.Valid && readings[at].VerifiedThrough.Valid {
			lag = sql.NullInt64{Valid: true}
		}
		if !lag.Valid {
			return nil
		}
		sum += lag.Int64
	}
	return &sum
}

// askBroker counts the records of the embedded broker. It is called under the lock.
func (s *status) askBroker(ctx context.Context) error {
	if time.Since(s.asked) < brokerFor {
		return nil
	}
	n, err := s.kafka.Records()
	if err != nil {
		return err
	}
	s.broker, s.asked = rest.Broker{Records: n, Limit: BrokerLimit}, time.Now()
	return nil
}

func ingestKey(s *mesh.Stream) topics.SeriesKey {
	return topics.SeriesKey{Stage: topics.StageIngest, System: s.System.Name, Stream: s.ID()}
}

// isUsed says whether a stream contributes to an entity.
func isUsed(m *mesh.Mesh, stream *mesh.Stream) bool {
	return slices.ContainsFunc(m.Entities, func(e *mesh.Entity) bool { return slices.Contains(e.Streams(), stream) })
}
