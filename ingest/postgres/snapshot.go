package postgres

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/topics"
)

// A snapshot is one reading of tables at one point in time.
type snapshot struct {
	source *source
	out    ingest.Emitter
	// holder is the session that holds the tables still and exports the snapshot under name, which
	// all readers import.
	holder *pgx.Conn
	name   string
	major  topics.Major
	minor  uint64
	lsn    uint64 // where the stream begins behind a first snapshot; 0 for a repeated one
	at     moment

	first bool
	origin
	begun map[int]progress // by stream: what earlier tries have read

	mu     sync.Mutex // protects the tables' progress
	tables []snapshotTable
}

// A snapshotTable is a table under the snapshot.
type snapshotTable struct {
	shape
	ids   ingest.SchemaIDs
	pages int64
	paged bool // is read by ranges of pages
	begun progress
}

// Snapshot reads the requested streams; see ingest.Source. Rows that the snapshot of a new slot
// holds and changes behind its consistent point meet without gap or overlap.
func (s *source) Snapshot(ctx context.Context, req ingest.SnapshotRequest, out ingest.Emitter) (ingest.Resume, error) {
	side, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, side)
	in, err := s.inspect(ctx, side)
	if err != nil {
		return nil, err
	}
	if err := in.err(); err != nil {
		return nil, err
	}
	sn := &snapshot{source: s, out: out, holder: side, first: req.First, minor: req.Try}
	switch {
	case !req.First:
		sn.major, sn.minor = req.After, math.MaxUint64
		err = sn.repeat(ctx, in)
	case len(req.Begun) > 0:
		err = sn.goOn(ctx, in, &req)
	default:
		err = sn.begin(ctx, in)
	}
	if err != nil {
		return nil, err
	}
	return sn.read(ctx, in, req.Streams)
}

// readClock asks for the time before the snapshot is taken, so that every later change has a later one.
func (sn *snapshot) readClock(ctx context.Context) error {
	var now time.Time
	if err := sn.holder.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&now); err != nil {
		return fmt.Errorf("%s: read the clock: %w", sn.source.subject(), err)
	}
	sn.Time = now.UnixMicro()
	return nil
}

// repeat takes a snapshot of its own beside the change stream.
func (sn *snapshot) repeat(ctx context.Context, in *inspection) error {
	changed, err := sn.source.ensurePublication(ctx, sn.holder, in)
	if err != nil {
		return err
	}
	if err := sn.readClock(ctx); err != nil {
		return err
	}
	if changed {
		if err := sn.source.waitForWriters(ctx, sn.holder); err != nil {
			return err
		}
	}
	return sn.hold(ctx, "")
}

// begin makes the slot and takes the snapshot at which its changes begin.
func (sn *snapshot) begin(ctx context.Context, in *inspection) error {
	if _, err := sn.source.ensurePublication(ctx, sn.holder, in); err != nil {
		return err
	}
	if err := sn.readClock(ctx); err != nil {
		return err
	}
	b, err := sn.source.createSlot(ctx, sn.holder)
	if err != nil {
		return err
	}
	// The slot's own session is of no more use once the holder has its snapshot.
	defer closeConn(ctx, b.conn)
	if err := sn.hold(ctx, b.snapshot); err != nil {
		return err
	}
	sn.At = string(b.start.append(nil))
	err = sn.holder.QueryRow(ctx, `SELECT pg_catalog.txid_snapshot_xmin(s), pg_catalog.txid_snapshot_xmax(s)
		FROM pg_catalog.txid_current_snapshot() s`).Scan(&sn.XMin, &sn.XMax)
	if err != nil {
		return fmt.Errorf("%s: read the snapshot's bounds: %w", sn.source.subject(), err)
	}
	return nil
}

// read reads the streams' tables, and says where the change stream begins behind a first snapshot.
func (sn *snapshot) read(ctx context.Context, in *inspection, streams []int) (resume ingest.Resume, err error) {
	sn.at = moment{number: 1, time: time.UnixMicro(sn.Time), snapshot: "incremental"}
	if sn.first {
		resume = ingest.Resume(sn.At)
		at, err := parseResume(resume)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sn.source.subject(), err)
		}
		sn.at.snapshot, sn.lsn, sn.major = "true", uint64(at.lsn), topics.MajorOf(before(at.lsn))
	}
	types := &typeCatalog{}
	for _, i := range streams {
		if err := sn.prepare(ctx, in.tables[i], in.server.version, types); err != nil {
			return nil, err
		}
	}
	if err := sn.whileHeld(ctx, sn.readRanges); err != nil {
		return nil, err
	}
	return resume, nil
}

// readRanges has the tables' ranges read by workers.
func (sn *snapshot) readRanges(ctx context.Context) error {
	ranges := sn.ranges()
	next := make(chan pageRange)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(next)
		for _, r := range ranges {
			select {
			case next <- r:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range min(sn.source.tuning.SnapshotWorkers, len(ranges)) {
		g.Go(func() error { return sn.work(ctx, next) })
	}
	return g.Wait()
}

func (sn *snapshot) newRowReader(ctx context.Context, t *snapshotTable, mem *slab) *rowReader {
	e := sn.source.newRowEncoder(&t.shape)
	e.ids = t.ids
	return &rowReader{ctx: ctx, snapshot: sn, encoder: e, slab: mem, tuple: make(tuple, len(t.columns)), now: time.Now}
}
