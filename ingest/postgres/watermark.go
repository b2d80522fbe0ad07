package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// queryTimeout bounds the small queries of a reading.
const queryTimeout = 15 * time.Second

// readClock reads the source's clock and then the end of its log, again and again. The order is
// what makes a watermark true (I4): a commit that was acknowledged before the clock was read had
// its record in the log before, so at or before the end that is read after.
//
// The change stream gets only what is flushed, and a server where nobody commits may leave the last
// records of its log unflushed for 15 s (they are of open transactions, or of cleaning up). What is
// still unflushed at the next reading is flushed by a commit of ours, which changes no row. The end
// of what is flushed would not do as the end of the log: with synchronous_commit off, commits are
// acknowledged before they are flushed.
func (st *stream) readClock(ctx context.Context) error {
	conn, err := st.source.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	tick := time.NewTicker(st.source.tuning.WatermarkEvery)
	defer tick.Stop()
	for before := uint64(0); ; {
		r, flushed, err := st.source.readWatermark(ctx, conn, st.server)
		if err == nil && before > flushed {
			err = st.source.flushLog(ctx, conn)
		}
		if err != nil {
			return err
		}
		before = r.lsn
		st.pending.add(r)
		select {
		case st.wake <- struct{}{}: // an idle server is asked how far it has come
		default:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// readWatermark makes one reading, in two statements, and says how far the log is flushed.
func (s *source) readWatermark(ctx context.Context, conn *pgx.Conn, v server) (r reading, flushed uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&r.time); err != nil {
		return r, 0, fmt.Errorf("%s: read the clock: %w", s.subject(), err)
	}
	var texts [2]string
	err = conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_wal_insert_lsn()::text, pg_catalog.pg_current_wal_flush_lsn()::text").Scan(&texts[0], &texts[1])
	if err != nil {
		return r, 0, fmt.Errorf("%s: read the end of the log: %w", s.subject(), err)
	}
	var ends [2]uint64
	for i, text := range texts {
		lsn, err := pglogrepl.ParseLSN(text)
		if err != nil {
			return r, 0, fmt.Errorf("%s: read the end of the log: %w", s.subject(), err)
		}
		ends[i] = recordEnd(uint64(lsn), uint64(v.pageSize), uint64(v.segmentSize))
	}
	r.lsn = ends[0]
	return r, ends[1], nil
}

// flushLog commits a transaction that holds nothing but its id: the server's log writer flushes
// what is in front of its commit.
func (s *source) flushLog(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.txid_current()"); err != nil {
		return fmt.Errorf("%s: have the log flushed: %w", s.subject(), err)
	}
	return nil
}

// Sizes of page headers in the log (xlog_internal.h: SizeOfXLogShortPHD, SizeOfXLogLongPHD).
const (
	shortHeader = 24
	longHeader  = 40 // of a segment's first page
)

// recordEnd turns the place where the next record will begin into the end of the last one: they
// differ directly behind a page's header, where the last record ends with the page before. An
// idle stream would never reach the former.
func recordEnd(lsn, page, segment uint64) uint64 {
	if lsn%segment == longHeader {
		return lsn - longHeader
	}
	if lsn%page == shortHeader && lsn%segment != shortHeader {
		return lsn - shortHeader
	}
	return lsn
}
