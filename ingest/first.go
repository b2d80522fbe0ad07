package ingest

import (
	"context"
	"errors"
	"fmt"

	"tributary/topics"
)

// firstSnapshot reads every stream of the connection: what an earlier try left, where the source can
// go on with it, and else all in a new epoch.
func (c *capture) firstSnapshot(ctx context.Context) error {
	var all []int
	for i := range c.conn.streams {
		all = append(all, i)
	}
	req := SnapshotRequest{First: true, Streams: all}
	if req.Begun, req.Try = c.conn.tryAgain(); req.Begun != nil {
		// The try is on record before its first row is: no other one's rows have its positions.
		if err := c.w.settle(ctx, all, nil); err != nil {
			return err
		}
		err := c.readFirst(ctx, req)
		if !errors.Is(err, ErrPositionLost) {
			return err
		}
		c.conn.cfg.Log.Warn().Err(err).Str("system", c.conn.cfg.System.Name).Msg("first snapshot begins anew")
		req.Begun, req.Try = nil, 0
	}
	for _, s := range c.conn.streams {
		c.conn.begin(s, topics.SnapshotRunning, topics.Major{}, 0)
	}
	answered := c.requests.Open(func(r *topics.Request) bool {
		return r.Kind == topics.SnapshotStart && c.conn.find(r.Subject) != nil
	})
	// The epoch is on record before its first row is: a later try begins a higher one. So is that
	// there is no position any more: a later try must not go on from the lost one.
	if err := c.w.settle(ctx, all, nil, c.conn.forget()); err != nil {
		return err
	}
	return c.readFirst(ctx, req, answered...)
}

func (c *capture) readFirst(ctx context.Context, req SnapshotRequest, answered ...topics.Request) error {
	resume, err := c.source.Snapshot(ctx, req, c.w)
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", c.conn.cfg.System.Name, err)
	}
	if err := c.w.drain(ctx); err != nil {
		return err
	}
	return c.finish(ctx, req.Streams, &Mark{Resume: resume, Major: c.conn.snapshotMajor()}, answered...)
}

// tryAgain counts a further try of the first snapshot, whose rows stand behind those of the tries
// before, and gives what these have read; nil where no snapshot of all streams was begun.
func (c *connection) tryAgain() (begun map[int][]byte, try uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun = map[int][]byte{}
	var major topics.Major
	for i, s := range c.streams {
		if s.state.Snapshot != topics.SnapshotRunning || len(s.state.Detail) == 0 {
			return nil, 0
		}
		begun[i] = s.state.Detail
		try = max(try, s.state.Position.Minor()+1)
		if at := s.state.Position.Major(); at.Compare(major) > 0 {
			major = at
		}
	}
	for _, s := range c.streams {
		s.state.Position = s.position(major, try)
	}
	return begun, try
}
