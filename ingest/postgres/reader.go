package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// rangeTries is how often a range is read before its broken connections end the snapshot.
const rangeTries = 8

// A rangeReader reads ranges on a connection of its own, and on a new one where that breaks: under
// the same exported snapshot, so that rows which are handed over again are the same.
type rangeReader struct {
	snapshot *snapshot
	conn     *pgx.Conn    // nil before the first range and after a break
	rows     []*rowReader // by table; nil before its first range
	slab     *slab
}

// work reads ranges until there are no more.
func (sn *snapshot) work(ctx context.Context, next <-chan pageRange) error {
	w := &rangeReader{snapshot: sn, rows: make([]*rowReader, len(sn.tables)), slab: &slab{size: sn.source.tuning.SlabBytes}}
	defer func() { w.leave(ctx) }()
	for r := range next {
		pause := backoff.NewExponentialBackOff() // with jitter
		pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
		_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, w.try(ctx, r) },
			backoff.WithBackOff(pause), backoff.WithMaxTries(rangeTries), backoff.WithMaxElapsedTime(0))
		if permanent := (*backoff.PermanentError)(nil); errors.As(err, &permanent) {
			err = permanent.Unwrap()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// try reads a range once. Errors that a new connection does not mend are permanent.
func (w *rangeReader) try(ctx context.Context, r pageRange) error {
	err := w.read(ctx, r)
	if err == nil {
		return nil
	}
	if rows := w.rows[r.table]; rows != nil && rows.failed != nil {
		return backoff.Permanent(rows.failed) // it closed the connection
	}
	if w.conn != nil && !w.conn.PgConn().IsClosed() || !passing(err) {
		return backoff.Permanent(err)
	}
	w.leave(ctx)
	return err
}

func (w *rangeReader) leave(ctx context.Context) {
	if w.conn != nil {
		closeConn(ctx, w.conn)
		w.conn = nil
	}
}

// read reads a range and hands its rows over.
func (w *rangeReader) read(ctx context.Context, r pageRange) error {
	sn := w.snapshot
	if w.conn == nil {
		conn, err := sn.source.connect(ctx)
		if err != nil {
			return err
		}
		w.conn = conn
		if err := sn.enter(ctx, conn, sn.name); err != nil {
			return err
		}
	}
	if w.rows[r.table] == nil {
		w.rows[r.table] = sn.newRowReader(ctx, &sn.tables[r.table], w.slab)
	}
	rows := w.rows[r.table]
	rows.rest = nil
	fail := func(err error) error { return fmt.Errorf("%s: read the snapshot: %w", rows.encoder.subject, err) }
	if _, err := w.conn.PgConn().CopyTo(ctx, rows, rows.copySQL(r)); err != nil {
		return fail(err)
	}
	if len(rows.rest) > 0 {
		return fail(errCutOff)
	}
	// Our lock keeps the table's files from now on; whether they were replaced before is what matters.
	if _, err := sn.files(ctx, w.conn, rows.encoder.shape); err != nil {
		return fail(err)
	}
	return sn.finished(ctx, r)
}

// errCutOff says that a COPY's text ended in the middle of a row.
var errCutOff = errors.New("the last row is cut off")

// passing says whether what broke a connection, or kept it from being made, may be over soon.
func passing(err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return true // the network
	}
	return strings.HasPrefix(pgErr.Code, "08") || // connection exceptions
		slices.Contains([]string{
			"53300", // too many connections
			"57P01", // terminated by an administrator
			"57P02", // another session crashed
			"57P03", // cannot connect now
		}, pgErr.Code)
}
