package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	closeTimeout = 2 * time.Second        // for a connection's goodbye
	pollEvery    = 100 * time.Millisecond // of what the server does not tell
)

// slotState is our slot as the server has it.
type slotState struct {
	exists    bool
	active    bool
	user      string // who uses it, in words
	walStatus string // "" before 13
	confirmed pglogrepl.LSN
	retained  int64 // bytes of log kept for it
	plugin    string
	database  string
}

func (s *source) readSlot(ctx context.Context, conn *pgx.Conn) (st slotState, err error) {
	status := "''"
	if serverMajor(conn.PgConn()) >= 13 {
		status = "COALESCE(s.wal_status, '')"
	}
	var confirmed string
	err = conn.QueryRow(ctx, fmt.Sprintf(`
		SELECT s.active, CASE WHEN s.active THEN pg_catalog.format('pid %%s, application %%s, from %%s', s.active_pid,
		         COALESCE(NULLIF(a.application_name, ''), 'unnamed'), COALESCE(pg_catalog.host(a.client_addr), 'a local socket')) ELSE '' END,
		       %s, COALESCE(s.confirmed_flush_lsn, '0/0')::text,
		       CASE WHEN pg_catalog.pg_is_in_recovery() THEN 0 ELSE COALESCE(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn), 0)::int8 END,
		       COALESCE(s.plugin, '')::text, COALESCE(s.database, '')::text
		FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
		WHERE s.slot_name = $1`, status), s.slot).Scan(&st.active, &st.user, &st.walStatus, &confirmed, &st.retained, &st.plugin, &st.database)
	if errors.Is(err, pgx.ErrNoRows) {
		return slotState{}, nil
	}
	if err != nil {
		return st, fmt.Errorf("%s: read slot %s: %w", s.subject(), s.slot, err)
	}
	st.exists = true
	if st.confirmed, err = pglogrepl.ParseLSN(confirmed); err != nil {
		return st, fmt.Errorf("%s: read slot %s: %w", s.subject(), s.slot, err)
	}
	return st, nil
}

// readFreeSlot reads the slot and gives one who is just leaving it a moment.
func (s *source) readFreeSlot(ctx context.Context, conn *pgx.Conn) (slotState, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for begun := time.Now(); ; {
		st, err := s.readSlot(ctx, conn)
		if err != nil || !st.active || time.Since(begun) > s.tuning.SlotPatience {
			return st, err
		}
		select {
		case <-ctx.Done():
			return st, ctx.Err()
		case <-tick.C:
		}
	}
}

// taken is the fault of a slot that someone else uses.
func (s *source) taken(st *slotState) *fault {
	return &fault{Subject: s.subject(), Problem: fmt.Sprintf("replication slot %s is in use by another: %s", s.slot, st.user),
		Mend: fmt.Sprintf("stop that process, or: SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%s';", s.slot)}
}

// A birth is a slot that was just made. Its snapshot lives as long as its connection.
type birth struct {
	conn     *pgconn.PgConn
	snapshot string
	start    cursor
}

// createSlot makes our slot anew, dropping one that is left from before, and exports the
// snapshot at which its changes begin.
func (s *source) createSlot(ctx context.Context, side *pgx.Conn) (*birth, error) {
	st, err := s.readFreeSlot(ctx, side)
	if err != nil {
		return nil, err
	}
	if st.active {
		return nil, s.taken(&st)
	}
	if st.exists {
		if _, err := side.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", s.slot); err != nil {
			return nil, fmt.Errorf("%s: drop slot %s: %w", s.subject(), s.slot, err)
		}
	}
	conn, err := s.connectReplication(ctx)
	if err != nil {
		return nil, err
	}
	b, err := s.makeSlot(ctx, conn)
	if err != nil {
		closeConn(ctx, conn)
		return nil, err
	}
	return b, nil
}

func (s *source) makeSlot(ctx context.Context, conn *pgconn.PgConn) (*birth, error) {
	sys, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("%s: identify the server: %w", s.subject(), err)
	}
	res, err := pglogrepl.CreateReplicationSlot(ctx, conn, s.slot, "pgoutput",
		pglogrepl.CreateReplicationSlotOptions{Mode: pglogrepl.LogicalReplication, SnapshotAction: "EXPORT_SNAPSHOT"})
	if err != nil {
		return nil, fmt.Errorf("%s: create slot %s: %w", s.subject(), s.slot, err)
	}
	lsn, err := pglogrepl.ParseLSN(res.ConsistentPoint)
	if err != nil {
		return nil, fmt.Errorf("%s: create slot %s: %w", s.subject(), s.slot, err)
	}
	return &birth{conn: conn, snapshot: res.SnapshotName, start: cursor{lsn: lsn, system: sys.SystemID, timeline: sys.Timeline}}, nil
}
