package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"tributary/topics"
)

// A capture keeps the streams of a connection complete and its change stream running, and carries
// out what operators ask of them, always between two source transactions.
type capture struct {
	source   Source
	w        *writer
	conn     *connection
	requests *topics.Requests
	// look says that requests came since they were last looked at.
	look atomic.Bool
}

// errPaused ends a change stream at a mark because there is something to do.
var errPaused = errors.New("paused for a request")

// run snapshots what has no complete epoch yet, then streams; a lost position begins anew.
func (c *capture) run(ctx context.Context) error {
	lost := false
	for {
		if err := c.complete(ctx, lost); err != nil {
			return err
		}
		resume := c.conn.streaming()
		c.w.durable.Store(&resume)
		err := c.source.Stream(ctx, resume, pausing{c.w, c})
		lost = errors.Is(err, ErrPositionLost)
		switch {
		case errors.Is(err, errPaused):
			if err := c.w.drain(ctx); err != nil {
				return err
			}
		case lost:
			c.conn.cfg.Log.Warn().Err(err).Str("system", c.conn.cfg.System.Name).Msg("position lost: a new epoch begins")
		case err == nil:
			return fmt.Errorf("stream of %s: it ended", c.conn.cfg.System.Name)
		default:
			return fmt.Errorf("stream of %s: %w", c.conn.cfg.System.Name, err)
		}
	}
}

// pausing is the Emitter of a change stream that ends at a mark once something is asked: all
// before the mark is handed over, nothing behind it.
type pausing struct {
	*writer
	capture *capture
}

// Mark implements Emitter.
func (p pausing) Mark(ctx context.Context, m Mark) error {
	if err := p.writer.Mark(ctx, m); err != nil {
		return err
	}
	if p.capture.look.Swap(false) && len(p.capture.asked()) > 0 {
		return errPaused
	}
	return nil
}

// asked gives the open requests that this connection is to carry out.
func (c *capture) asked() []topics.Request {
	return c.requests.Open(func(r *topics.Request) bool {
		return (r.Kind == topics.SnapshotStart || r.Kind == topics.SnapshotCancel) && c.conn.cfg.System.Name == systemOf(r.Subject)
	})
}

// complete takes the snapshots that are missing or asked for.
func (c *capture) complete(ctx context.Context, lost bool) error {
	// What this connection has ended itself is known only once it was read.
	if err := c.requests.Sync(ctx); err != nil {
		return err
	}
	c.look.Store(false)
	if lost || len(c.conn.resumeAt()) == 0 {
		if err := c.firstSnapshot(ctx); err != nil {
			return err
		}
		if err := c.requests.Sync(ctx); err != nil { // it may have answered some
			return err
		}
	} else if streams := c.conn.inState(topics.SnapshotNone, topics.SnapshotRunning); len(streams) > 0 {
		if err := c.addStreams(ctx, streams); err != nil {
			return err
		}
	}
	return c.answer(ctx)
}

// answer carries out the requests that are open, each stream by itself.
func (c *capture) answer(ctx context.Context) error {
	starts := map[int]*topics.Request{}
	for _, r := range c.asked() {
		s := c.conn.find(r.Subject)
		switch {
		case s == nil:
			err := c.end(ctx, r, topics.RequestFailed, fmt.Sprintf("system %s has no stream %s", c.conn.cfg.System.Name, r.Subject))
			if err != nil {
				return err
			}
		case r.Kind == topics.SnapshotStart && starts[s.index] == nil:
			starts[s.index] = &r
		case r.Kind == topics.SnapshotStart:
			if err := c.end(ctx, r, topics.RequestFailed, "another snapshot of "+r.Subject+" was asked for before"); err != nil {
				return err
			}
		}
	}
	for _, s := range c.conn.streams {
		if start := starts[s.index]; start != nil || c.conn.stateOf(s) == topics.SnapshotRepeating {
			if err := c.repeat(ctx, s, start); err != nil {
				return err
			}
		}
	}
	return c.endCancels(ctx)
}

// endCancels answers cancellations of what does not run (any more).
func (c *capture) endCancels(ctx context.Context) error {
	if err := c.requests.Sync(ctx); err != nil {
		return err
	}
	for _, r := range c.asked() {
		if r.Kind == topics.SnapshotCancel {
			if err := c.end(ctx, r, topics.RequestFailed, "no repeated snapshot of "+r.Subject+" runs"); err != nil {
				return err
			}
		}
	}
	return nil
}

// end writes the outcome of a request that needed no work.
func (c *capture) end(ctx context.Context, r topics.Request, state topics.RequestState, outcome string) error {
	return c.w.settle(ctx, nil, nil, c.requests.Record(r.End(state, outcome)))
}
