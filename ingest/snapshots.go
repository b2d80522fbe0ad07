package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// progressEvery is how often the progress of a snapshot is written to its request.
const progressEvery = time.Second

// SnapshotProgress is the Progress of a snapshot's request.
type SnapshotProgress struct {
	Rows int64 `json:"rows"` // read so far
	Of   int64 `json:"of"`   // the source's estimate; −1 unknown
}

// addStreams reads streams that have never been complete, beside others that are.
func (c *capture) addStreams(ctx context.Context, streams []int) error {
	if err := c.begin(ctx, streams, topics.SnapshotRunning, nil); err != nil {
		return err
	}
	if _, err := c.source.Snapshot(ctx, SnapshotRequest{Streams: streams, After: c.conn.lastMajor()}, c.w); err != nil {
		return fmt.Errorf("snapshot of %s: %w", c.conn.names(streams), err)
	}
	return c.finish(ctx, streams, nil)
}

// repeat reads a stream anew that was complete before. Where that fails, or is cancelled, nothing
// is deleted and the stream goes on; the next try begins a higher epoch. start is nil where the
// request is no longer known.
func (c *capture) repeat(ctx context.Context, s *stream, start *topics.Request) error {
	one := []int{s.index}
	if cancels := c.cancels(s); len(cancels) > 0 {
		return c.giveUp(ctx, s, start, cancels, topics.RequestCancelled, "cancelled before it began")
	}
	if err := c.begin(ctx, one, topics.SnapshotRepeating, start); err != nil {
		return err
	}
	err := c.untilCancelled(ctx, s, func(ctx context.Context) error {
		_, err := c.source.Snapshot(ctx, SnapshotRequest{Streams: one, After: c.conn.lastMajor()}, c.w)
		return err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && start != nil {
		return c.finish(ctx, one, nil, *start)
	}
	if err == nil {
		return c.finish(ctx, one, nil)
	}
	if drained := c.w.drain(ctx); drained != nil {
		return drained
	}
	if errors.Is(err, errCancelled) {
		return c.giveUp(ctx, s, start, c.cancels(s), topics.RequestCancelled, fmt.Sprintf("cancelled after %d rows; nothing was deleted", c.conn.rowsOf(s)))
	}
	c.conn.cfg.Log.Warn().Err(err).Str("stream", s.decl.ID()).Msg("repeated snapshot failed")
	return c.giveUp(ctx, s, start, nil, topics.RequestFailed, err.Error())
}

var errCancelled = errors.New("the snapshot was cancelled")

func (c *capture) cancels(s *stream) []topics.Request {
	return c.requests.Open(func(r *topics.Request) bool {
		return r.Kind == topics.SnapshotCancel && r.Subject == s.decl.ID()
	})
}

// untilCancelled runs fn and ends it when the stream's snapshot is cancelled.
func (c *capture) untilCancelled(ctx context.Context, s *stream, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	wake := make(chan struct{}, 1)
	defer c.requests.Watch(func() {
		select {
		case wake <- struct{}{}:
		default:
		}
	})()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for {
			if len(c.cancels(s)) > 0 {
				cancel(errCancelled)
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}()
	err := fn(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errCancelled) {
		err = errCancelled
	}
	cancel(nil)
	<-watched
	return err
}

// begin raises the epoch of streams and has it on record before the first row is.
func (c *capture) begin(ctx context.Context, streams []int, state topics.SnapshotState, start *topics.Request) error {
	var more []*kgo.Record
	for _, i := range streams {
		// All rows stand behind the last transaction that was handed over, and before the next.
		c.conn.begin(c.conn.streams[i], state, c.conn.lastMajor(), lastMinor)
	}
	if start != nil {
		start.State = topics.RequestRunning
		c.conn.ask(c.conn.streams[streams[0]], start)
		more = append(more, c.requests.Record(*start))
	}
	return c.w.settle(ctx, streams, nil, more...)
}

// giveUp lets a stream go on that a repeated snapshot was begun of, or asked for.
func (c *capture) giveUp(ctx context.Context, s *stream, start *topics.Request, cancels []topics.Request, state topics.RequestState, outcome string) error {
	c.conn.settled(s)
	var more []*kgo.Record
	if start != nil {
		more = append(more, c.requests.Record(start.End(state, outcome)))
	}
	for _, r := range cancels {
		more = append(more, c.requests.Record(r.End(topics.RequestDone, "cancelled")))
	}
	return c.w.settle(ctx, []int{s.index}, nil, more...)
}

// finish deletes what the streams' new epoch did not repeat (I5), then says in one transaction
// that their snapshots are done, where the change stream begins, and the outcome of the requests that it answers.
func (c *capture) finish(ctx context.Context, streams []int, m *Mark, answered ...topics.Request) error {
	if err := c.w.drain(ctx); err != nil { // the scan sees what is committed
		return err
	}
	deleted := 0
	for _, i := range streams {
		n, err := c.deleteRest(ctx, c.conn.streams[i])
		if err != nil {
			return err
		}
		deleted += n
	}
	// No record may say done while a delete is not committed.
	if err := c.w.drain(ctx); err != nil {
		return err
	}
	rows := int64(0)
	for _, i := range streams {
		rows += c.conn.rowsOf(c.conn.streams[i])
		c.conn.settled(c.conn.streams[i])
	}
	var more []*kgo.Record
	for _, r := range answered {
		more = append(more, c.requests.Record(r.End(topics.RequestDone, fmt.Sprintf("%d rows read, %d deleted that were gone", rows, deleted))))
	}
	if err := c.w.settle(ctx, streams, m, more...); err != nil {
		return err
	}
	c.conn.cfg.Log.Info().Str("system", c.conn.cfg.System.Name).Str("streams", c.conn.names(streams)).Int64("rows", rows).Int("deleted", deleted).Msg("snapshot complete")
	return nil
}

func (c *capture) deleteRest(ctx context.Context, s *stream) (int, error) {
	if s.state.Epoch <= 1 {
		return 0, nil
	}
	return c.w.deleteLive(ctx, s, s.state.Position, s.state.Epoch, time.Now(), "not-repeated")
}

// systemOf gives the system in a stream's id.
func systemOf(id string) string {
	system, _, _ := strings.Cut(id, ".")
	return system
}

// find gives the stream with an id, or nil.
func (c *connection) find(id string) *stream {
	i := slices.IndexFunc(c.streams, func(s *stream) bool { return s.decl.ID() == id })
	if i < 0 {
		return nil
	}
	return c.streams[i]
}

// begin raises the stream's epoch; its snapshot's rows stand at major and minor or behind.
func (c *connection) begin(s *stream, state topics.SnapshotState, major topics.Major, minor uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.state.Epoch++
	s.state.Position = s.position(major, minor)
	s.state.Snapshot, s.state.Rows, s.state.Detail = state, 0, nil
}

// forget gives the record that says that the connection has no position.
func (c *connection) forget() *kgo.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.resume, c.major = nil, topics.Major{}
	return c.positionRecord(c.key, topics.PositionRecord{Era: c.era})
}

// ask says whose request the running snapshot of s answers.
func (c *connection) ask(s *stream, r *topics.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.asked, s.told = r, time.Time{}
}

// settled says that no snapshot of the stream runs any more.
func (c *connection) settled(s *stream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.state.Snapshot, s.state.Detail, s.asked = topics.SnapshotDone, nil, nil
}

// progress is the stream's request with the number of rows read.
func (s *stream) progress(rows int64) topics.Request {
	r := *s.asked
	r.Progress, _ = json.Marshal(SnapshotProgress{Rows: rows, Of: s.contract.EstimatedRows})
	return r
}

func (c *connection) stateOf(s *stream) topics.SnapshotState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.state.Snapshot
}

func (c *connection) rowsOf(s *stream) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.state.Rows
}

// inState gives the streams whose snapshot is in one of the states.
func (c *connection) inState(states ...topics.SnapshotState) (out []int) {
	for i, s := range c.streams {
		if slices.Contains(states, c.stateOf(s)) {
			out = append(out, i)
		}
	}
	return out
}

func (c *connection) names(streams []int) string {
	var out []string
	for _, i := range streams {
		out = append(out, c.streams[i].decl.ID())
	}
	return strings.Join(out, ", ")
}

func (c *connection) resumeAt() Resume {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resume
}

func (c *connection) lastMajor() topics.Major {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.major
}

// streaming gives where the change stream goes on. What it repeats up to what is written now is
// dropped; nothing is under way.
func (c *connection) streaming() Resume {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		s.floor = s.state.Position
	}
	return c.resume
}

// snapshotMajor is at or behind every row that the snapshot gave.
func (c *connection) snapshotMajor() (m topics.Major) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		if at := s.state.Position.Major(); at.Compare(m) > 0 {
			m = at
		}
	}
	return m
}
