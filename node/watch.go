package node

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/mesh"
	"tributary/processors/resolve"
	"tributary/schemas"
	"tributary/serve/freshness"
	"tributary/topics"
)

// A watch knows how the streams of the mesh fare: what state.positions says of them, whoever
// captures them, and what the connections of this process say. It tells the trackers, so that
// answers carry the right state.
type watch struct {
	mesh *mesh.Mesh
	log  zerolog.Logger

	mu        sync.Mutex // protects what is below
	positions map[topics.PositionKey]topics.PositionRecord
	down      map[string]interruption // by system
	estimates map[string]int64        // by stream: the source's guess of its rows
	tallies   map[tallyKey]*resolve.Tally
	letters   map[string]letterCount // by stream
	trackers  []*freshness.Tracker
}

func newWatch(m *mesh.Mesh, log zerolog.Logger) *watch {
	return &watch{mesh: m, log: log, positions: map[topics.PositionKey]topics.PositionRecord{}, down: map[string]interruption{},
		estimates: map[string]int64{}, tallies: map[tallyKey]*resolve.Tally{}, letters: map[string]letterCount{}}
}

// tell gives a tracker all that is known and becomes known of the streams.
func (w *watch) tell(t *freshness.Tracker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trackers = append(w.trackers, t)
	for _, sys := range w.mesh.Systems {
		w.changed(sys)
	}
}

// changed tells the trackers of a system's streams. The caller holds the lock.
func (w *watch) changed(sys *mesh.System) {
	for _, s := range sys.Streams {
		status := w.status(s)
		for _, t := range w.trackers {
			if t.StreamStatus(s.ID()) != status {
				t.SetStream(s.ID(), status)
			}
		}
	}
}

// status of a stream. Snapshotting holds on until the stream is verified for the first time:
// the rows of a snapshot that is complete may still be on their way.
func (w *watch) status(s *mesh.Stream) freshness.StreamStatus {
	position := w.positions[topics.PositionKey{System: s.System.Name, Stream: s.Name}]
	status := freshness.StreamStatus{Snapshotting: position.Snapshot != topics.SnapshotNone, DownSince: w.down[s.System.Name].since}
	letters := w.letters[s.ID()]
	status.DeadLetters, status.Unplaced = max(0, letters.open), max(0, letters.unplaced)
	return status
}

// position gives the newest record of a stream and the source's guess of its rows, −1 unknown.
func (w *watch) position(s *mesh.Stream) (rec topics.PositionRecord, known bool, estimate int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec, known = w.positions[topics.PositionKey{System: s.System.Name, Stream: s.Name}]
	estimate, ok := w.estimates[s.ID()]
	if !ok {
		estimate = -1
	}
	return rec, known, estimate
}

// startWatch follows state.positions.
func (n *node) startWatch(ctx context.Context, g *errgroup.Group) error {
	cl, err := n.cluster.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{n.names.Positions(): {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	n.watch.tell(n.tracker)
	if err := n.startLetterWatch(ctx, g); err != nil {
		cl.Close()
		return err
	}
	g.Go(func() error {
		defer cl.Close()
		for {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := n.watch.take(fetches); err != nil {
				n.Log.Error().Err(err).Msg("positions of streams cannot be read; the status lacks them")
			}
		}
	})
	return nil
}

// take notes position records.
func (w *watch) take(fetches kgo.Fetches) error {
	news := map[topics.PositionKey]topics.PositionRecord{}
	var fault error
	fetches.EachRecord(func(r *kgo.Record) {
		_, key, err := schemas.Unframe(r.Key)
		if err != nil || r.Value == nil {
			return // nothing that ingest writes
		}
		_, value, err := schemas.Unframe(r.Value)
		if err != nil {
			fault = err
			return
		}
		k, p, err := topics.DecodePosition(key, value)
		if err != nil {
			fault = fmt.Errorf("%s offset %d: %w", r.Topic, r.Offset, err)
			return
		}
		news[k] = p
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.Copy(w.positions, news)
	for _, sys := range w.mesh.Systems {
		w.changed(sys)
	}
	return fault
}

// A connectionWatch hears of one system's connection. It implements ingest.Observer.
type connectionWatch struct {
	watch  *watch
	halt   *halt
	system *mesh.System
}

// Connected implements ingest.Observer.
func (c connectionWatch) Connected(contracts []ingest.Contract) {
	w := c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, down := w.down[c.system.Name]; down {
		delete(w.down, c.system.Name)
		w.log.Info().Str("system", c.system.Name).Msg("the system answers again")
	}
	for _, con := range contracts {
		if con.EstimatedRows >= 0 {
			w.estimates[c.system.Streams[con.Stream].ID()] = con.EstimatedRows
		}
	}
	w.changed(c.system)
}

// Interrupted implements ingest.Observer.
func (c connectionWatch) Interrupted(err error) {
	c.halt.ifFull(err) // of what a transaction is spilled to
	w := c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	down := interruption{w.down[c.system.Name].since, err.Error()}
	if down.since.IsZero() {
		down.since = time.Now()
	}
	w.down[c.system.Name] = down
	w.changed(c.system)
}

// An interruption says since when a system's connection is interrupted, and why at last; the
// reason names no secrets (I11).
type interruption struct {
	since  time.Time
	reason string
}

// whyDown is why a system's connection is interrupted, if it is one of this process.
func (w *watch) whyDown(system string) *string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if down, ok := w.down[system]; ok {
		return &down.reason
	}
	return nil
}

// A tallyKey names a partition of an entity's contributions.
type tallyKey struct {
	entity    string
	partition int32
}

// tallied takes what resolve counts of an entity, for the status and the telemetry.
func (n *node) tallied(entity string) func(partition int32, t *resolve.Tally) {
	return func(partition int32, t *resolve.Tally) {
		series := n.recorder.Series(topics.SeriesKey{Stage: topics.StageResolve, Entity: entity, Partition: partition})
		w := n.watch
		w.mu.Lock()
		defer w.mu.Unlock()
		if key := (tallyKey{entity, partition}); t == nil {
			delete(w.tallies, key)
		} else {
			w.tallies[key] = t
			series.SetConflicts(t.Conflicts)
		}
	}
}

// sums adds up what is counted of an entity over its partitions; nil where one is not known.
func (w *watch) sums(entity string, partitions int32) (incomplete, conflicts *int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	incomplete, conflicts = new(int64), new(int64)
	for p := range partitions {
		t, ok := w.tallies[tallyKey{entity, p}]
		if !ok {
			return nil, nil
		}
		*incomplete += t.Incomplete
		*conflicts += t.Conflicts
	}
	return incomplete, conflicts
}
