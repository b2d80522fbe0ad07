package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
)

// queryTimeout bounds the two small queries of a reading.
const queryTimeout = 15 * time.Second

// readClock reads the source's clock and then the end of its log, again and again. The order is
// what makes a watermark true (I4): a commit that was acknowledged before the clock was read had
// its record in the log before, so at or before the end that is read after. No write is needed.
func (st *stream) readClock(ctx context.Context) error {
	conn, err := st.source.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	tick := time.NewTicker(st.source.tuning.WatermarkEvery)
	defer tick.Stop()
	for {
		r, err := st.source.readWatermark(ctx, conn, st.server)
		if err != nil {
			return err
		}
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

// readWatermark makes one reading, in two statements.
func (s *source) readWatermark(ctx context.Context, conn *pgx.Conn, v server) (r reading, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&r.time); err != nil {
		return r, fmt.Errorf("%s: read the clock: %w", s.subject(), err)
	}
	var text string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_wal_insert_lsn()::text").Scan(&text); err != nil {
		return r, fmt.Errorf("%s: read the end of the log: %w", s.subject(), err)
	}
	lsn, err := pglogrepl.ParseLSN(text)
	if err != nil {
		return r, fmt.Errorf("%s: read the end of the log: %w", s.subject(), err)
	}
	r.lsn = recordEnd(uint64(lsn), uint64(v.pageSize), uint64(v.segmentSize))
	return r, nil
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
