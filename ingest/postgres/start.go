package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/ingest"
)

// start opens the change stream behind st.at, or says that its changes are lost.
func (st *stream) start(ctx context.Context) error {
	s := st.source
	side, err := st.sideConn(ctx)
	if err != nil {
		return err
	}
	if st.server, err = s.readServer(ctx, side); err != nil {
		return err
	}
	if err := st.findStreams(ctx, side); err != nil {
		return err
	}
	conn, err := s.connectReplication(ctx)
	if err != nil {
		return err
	}
	if err := st.open(ctx, side, conn); err != nil {
		closeConn(ctx, conn)
		return err
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		closeConn(ctx, conn)
		return fmt.Errorf("%s: take over the connection: %w", s.subject(), err)
	}
	st.conn, st.frontend = hijacked.Conn, hijacked.Frontend
	return nil
}

// findStreams maps tables to streams, and sees that all of them are published: what was never
// published cannot be behind our position.
func (st *stream) findStreams(ctx context.Context, side *pgx.Conn) error {
	s := st.source
	p, err := s.readPublication(ctx, side, st.server.version)
	if err != nil {
		return err
	}
	if !p.exists {
		return fmt.Errorf("%s: publication %s is gone: %w", s.subject(), s.slot, ingest.ErrPositionLost)
	}
	st.streams, st.partitioned = map[uint32]int{}, map[uint32]bool{}
	for i := range s.system.Streams {
		t, err := s.findTable(ctx, side, i)
		if err != nil {
			return err
		}
		if t == nil {
			f, err := s.missingTable(ctx, side, i)
			if err != nil {
				return err
			}
			return f
		}
		if !slices.Contains(p.members, t.oid) {
			return fmt.Errorf("%s: publication %s does not hold the table: %w", s.streamSubject(i), s.slot, ingest.ErrPositionLost)
		}
		st.streams[t.oid], st.partitioned[t.oid] = i, t.partitioned
	}
	return nil
}

// open starts replication and makes sure that the server really goes on from our position: asked
// for an older one than the slot was confirmed to, it would begin there without a word.
func (st *stream) open(ctx context.Context, side *pgx.Conn, conn *pgconn.PgConn) error {
	s := st.source
	if err := st.sameHistory(ctx, conn); err != nil {
		return err
	}
	slot, err := s.readFreeSlot(ctx, side)
	switch {
	case err != nil:
		return err
	case !slot.exists:
		return fmt.Errorf("%s: slot %s is gone: %w", s.subject(), s.slot, ingest.ErrPositionLost)
	case slot.walStatus == "lost":
		return fmt.Errorf("%s: slot %s was invalidated, its log is gone: %w", s.subject(), s.slot, ingest.ErrPositionLost)
	case slot.active:
		return fmt.Errorf("%s: %s", s.subject(), s.taken(&slot).Problem)
	}
	err = pglogrepl.StartReplication(ctx, conn, s.slot, st.at.lsn, pglogrepl.StartReplicationOptions{
		Mode:       pglogrepl.LogicalReplication,
		PluginArgs: []string{"proto_version '1'", fmt.Sprintf("publication_names '%s'", strings.ReplaceAll(quote(s.slot), "'", "''"))},
	})
	if err != nil {
		if code := sqlState(err); code == "42704" || code == "55000" && strings.Contains(err.Error(), "can no longer") {
			err = fmt.Errorf("%w: %w", ingest.ErrPositionLost, err)
		}
		return fmt.Errorf("%s: start replication: %w", s.subject(), err)
	}
	// Now nobody else can move the slot, and we have not yet.
	if slot, err = s.readSlot(ctx, side); err != nil {
		return err
	}
	if slot.confirmed > st.at.lsn {
		return fmt.Errorf("%s: slot %s was confirmed to %s by another, our position is %s: %w",
			s.subject(), s.slot, slot.confirmed, st.at.lsn, ingest.ErrPositionLost)
	}
	return nil
}

// sameHistory sees that the server's log up to our position is the one that we read: the same
// server, and no later timeline that branched off before it.
func (st *stream) sameHistory(ctx context.Context, conn *pgconn.PgConn) error {
	s := st.source
	sys, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return fmt.Errorf("%s: identify the server: %w", s.subject(), err)
	}
	if sys.SystemID != st.at.system {
		return fmt.Errorf("%s: it is another server than before: %w", s.subject(), ingest.ErrPositionLost)
	}
	if sys.Timeline == st.at.timeline {
		return nil
	}
	lost := fmt.Errorf("%s: the server's history left ours before our position: %w", s.subject(), ingest.ErrPositionLost)
	if sys.Timeline < st.at.timeline {
		return lost
	}
	history, err := pglogrepl.TimelineHistory(ctx, conn, sys.Timeline)
	if err != nil {
		return fmt.Errorf("%s: read the timeline's history: %w", s.subject(), err)
	}
	end, ok := timelineEnd(string(history.Content), st.at.timeline)
	if !ok || end < st.at.lsn {
		return lost
	}
	st.at.timeline = sys.Timeline
	return nil
}

// timelineEnd finds in a history file (lines: timeline, switch point, reason) where a timeline
// was left.
func timelineEnd(history string, timeline int32) (pglogrepl.LSN, bool) {
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != fmt.Sprint(timeline) {
			continue
		}
		lsn, err := pglogrepl.ParseLSN(fields[1])
		return lsn, err == nil
	}
	return 0, false
}
