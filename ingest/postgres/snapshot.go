package postgres

import (
	"context"
	"errors"
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

// hold begins the transaction of the holder and exports what it sees: the named snapshot, or
// without a name one of its own.
func (sn *snapshot) hold(ctx context.Context, name string) error {
	if err := sn.enter(ctx, sn.holder, name); err != nil {
		return err
	}
	if err := sn.holder.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&sn.name); err != nil {
		return fmt.Errorf("%s: export the snapshot: %w", sn.source.subject(), err)
	}
	return nil
}

// enter begins a transaction that sees the named snapshot, or without a name the state of now.
func (sn *snapshot) enter(ctx context.Context, conn *pgx.Conn, name string) error {
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fmt.Errorf("%s: begin the snapshot: %w", sn.source.subject(), err)
	}
	if name == "" {
		return nil
	}
	// SET takes no parameters; the name is the server's own, of hexadecimal digits and dashes.
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET TRANSACTION SNAPSHOT '%s'", name)); err != nil {
		return fmt.Errorf("%s: enter the snapshot, which lives as long as the session that took it: %w", sn.source.subject(), err)
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

// errHolder ends a snapshot whose tables are no longer held still.
var errHolder = errors.New("the session that held the snapshot has ended")

// whileHeld runs fn, and ends it as soon as the holder's session ends.
func (sn *snapshot) whileHeld(ctx context.Context, fn func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for ctx.Err() == nil {
			// Nobody notifies: it returns when the session ends.
			if err := sn.holder.PgConn().WaitForNotification(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("%s: %w: %w", sn.source.subject(), errHolder, err))
			}
		}
	}()
	err := fn(ctx)
	if cause := context.Cause(ctx); errors.Is(cause, errHolder) {
		err = cause
	}
	cancel(nil)
	<-watched
	if err != nil {
		return err
	}
	if _, err := sn.holder.Exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("%s: %w: %w", sn.source.subject(), errHolder, err)
	}
	return nil
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

// filesQuery names a table's files, and counts those that were replaced since the snapshot was
// taken: pg_class is read under the snapshot, pg_relation_filenode looks at now.
const filesQuery = `
SELECT count(*) FILTER (WHERE c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)),
       pg_catalog.string_agg(c.oid::text || ':' || c.relfilenode::text, ' ' ORDER BY c.oid)
FROM pg_catalog.pg_class c
WHERE c.oid IN (SELECT $1::oid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::oid))`

// errRewritten says that a snapshot does not see the rows of a table any more, or may see them twice.
var errRewritten = errors.New("the table was rewritten or truncated while its snapshot began; it must be taken again")

// files gives the names of a table's files under the snapshot.
func (sn *snapshot) files(ctx context.Context, conn *pgx.Conn, t *shape) (names string, err error) {
	var replaced int64
	if err := conn.QueryRow(ctx, filesQuery, t.oid).Scan(&replaced, &names); err != nil {
		return "", err
	}
	if replaced > 0 {
		return "", errRewritten
	}
	return names, nil
}

// prepare locks a table against being rewritten, which would hide its rows from the snapshot,
// and registers its contract.
func (sn *snapshot) prepare(ctx context.Context, t *table, version int, types *typeCatalog) error {
	subject := sn.source.streamSubject(t.stream)
	st := snapshotTable{paged: t.heap && !t.partitioned && version >= 140000}
	st.shape = shape{stream: t.stream, oid: t.oid, schema: t.schema, table: t.table, partitioned: t.partitioned}
	if _, err := sn.holder.Exec(ctx, "LOCK TABLE "+st.from()+" IN ACCESS SHARE MODE"); err != nil {
		return fmt.Errorf("%s: lock the table for reading: %w", subject, err)
	}
	files, err := sn.files(ctx, sn.holder, &st.shape)
	if err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	err = sn.holder.QueryRow(ctx, "SELECT pg_catalog.pg_relation_size($1::oid) / current_setting('block_size')::int", t.oid).Scan(&st.pages)
	if err != nil {
		return fmt.Errorf("%s: read its size: %w", subject, err)
	}
	if err := st.loadColumns(ctx, sn.holder, types); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	c, err := sn.source.contract(&st.shape, t.rows)
	if err != nil {
		return err
	}
	if st.ids, err = sn.out.Contract(ctx, c); err != nil {
		return err
	}
	if err := sn.compare(ctx, &st, digest(files, &c)); err != nil {
		return err
	}
	sn.tables = append(sn.tables, st)
	return nil
}

// compare takes over what earlier tries have read of a table. Before its first row is read there is
// a record of what it was, so that a later try sees whether rows that were read may have moved.
func (sn *snapshot) compare(ctx context.Context, st *snapshotTable, digest string) error {
	if begun, ok := sn.begun[st.stream]; ok {
		if begun.Table != digest {
			return sn.source.lost("%s was rewritten, truncated or altered meanwhile", sn.source.streamSubject(st.stream))
		}
		st.begun = begun
		return nil
	}
	st.begun = progress{origin: sn.origin, Table: digest}
	if !sn.first {
		return nil
	}
	return sn.mark(ctx, st)
}

func (sn *snapshot) newRowReader(ctx context.Context, t *snapshotTable, mem *slab) *rowReader {
	e := sn.source.newRowEncoder(&t.shape)
	e.ids = t.ids
	return &rowReader{ctx: ctx, snapshot: sn, encoder: e, slab: mem, tuple: make(tuple, len(t.columns)), now: time.Now}
}
