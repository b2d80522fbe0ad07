package postgres

import (
	"context"
	"fmt"
	"math"
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
	name   string // of the exported snapshot that all readers import
	tables []snapshotTable
	major  topics.Major
	minor  uint64
	lsn    uint64 // where the stream begins behind a first snapshot; 0 for a repeated one
	at     moment
}

// A snapshotTable is a table under the snapshot.
type snapshotTable struct {
	shape
	ids   ingest.SchemaIDs
	pages int64
	heap  bool
}

// A pageRange is one read: pages from up to, not including, to; to −1 is the table's end.
type pageRange struct {
	table    int
	from, to int64
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
	changed, err := s.ensurePublication(ctx, side, in)
	if err != nil {
		return nil, err
	}
	snap := &snapshot{source: s, out: out, major: req.After, minor: math.MaxUint64, at: moment{number: 1, snapshot: "incremental"}}
	// The clock is read before the snapshot is taken, so that every later change has a later time.
	if err := side.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&snap.at.time); err != nil {
		return nil, fmt.Errorf("%s: read the clock: %w", s.subject(), err)
	}
	if !req.First {
		if changed {
			if err := s.waitForWriters(ctx, side); err != nil {
				return nil, err
			}
		}
		return nil, snap.read(ctx, side, in, req.Streams)
	}
	b, err := s.createSlot(ctx, side)
	if err != nil {
		return nil, err
	}
	defer closeConn(ctx, b.conn)
	snap.name, snap.lsn, snap.minor, snap.at.snapshot = b.snapshot, uint64(b.start.lsn), 0, "true"
	snap.major = topics.MajorOf(before(b.start.lsn))
	if err := snap.read(ctx, side, in, req.Streams); err != nil {
		return nil, err
	}
	return b.start.append(nil), nil
}

// read holds the tables still in a transaction of the side connection while workers read them.
func (sn *snapshot) read(ctx context.Context, side *pgx.Conn, in *inspection, streams []int) error {
	if err := sn.enter(ctx, side); err != nil {
		return err
	}
	types := &typeCatalog{}
	for _, i := range streams {
		if err := sn.prepare(ctx, side, in.tables[i], types); err != nil {
			return err
		}
	}
	ranges := sn.ranges(in.server.version)
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

// enter begins a transaction that sees the snapshot; without one it exports its own.
func (sn *snapshot) enter(ctx context.Context, conn *pgx.Conn) error {
	fail := func(err error) error { return fmt.Errorf("%s: begin the snapshot: %w", sn.source.subject(), err) }
	if _, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return fail(err)
	}
	if sn.name == "" {
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&sn.name); err != nil {
			return fail(err)
		}
		return nil
	}
	// SET takes no parameters; the name is the server's own, of hexadecimal digits and dashes.
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET TRANSACTION SNAPSHOT '%s'", sn.name)); err != nil {
		return fail(err)
	}
	return nil
}

// rewritten counts the table's files that were replaced since the snapshot was taken. pg_class
// is read under the snapshot, pg_relation_filenode looks at now.
const rewritten = `
SELECT count(*) FROM pg_catalog.pg_class c
WHERE c.oid IN (SELECT $1::oid UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::oid))
  AND c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)`

// prepare locks a table against being rewritten, which would hide its rows from the snapshot,
// and registers its contract.
func (sn *snapshot) prepare(ctx context.Context, conn *pgx.Conn, t *table, types *typeCatalog) error {
	subject := sn.source.streamSubject(t.stream)
	st := snapshotTable{heap: t.heap && !t.partitioned}
	st.shape = shape{stream: t.stream, oid: t.oid, schema: t.schema, table: t.table, partitioned: t.partitioned}
	if _, err := conn.Exec(ctx, "LOCK TABLE "+st.from()+" IN ACCESS SHARE MODE"); err != nil {
		return fmt.Errorf("%s: lock the table for reading: %w", subject, err)
	}
	var replaced int64
	if err := conn.QueryRow(ctx, rewritten, t.oid).Scan(&replaced); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	if replaced > 0 {
		return fmt.Errorf("%s: the table was rewritten or truncated while its snapshot began; it must be taken again", subject)
	}
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_relation_size($1::oid) / current_setting('block_size')::int", t.oid).Scan(&st.pages)
	if err != nil {
		return fmt.Errorf("%s: read its size: %w", subject, err)
	}
	if err := st.loadColumns(ctx, conn, types); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	c, err := sn.source.contract(&st.shape, t.rows)
	if err != nil {
		return err
	}
	if st.ids, err = sn.out.Contract(ctx, c); err != nil {
		return err
	}
	sn.tables = append(sn.tables, st)
	return nil
}

// ranges cuts the tables into reads. The last one of a table is open, as a table may have grown;
// reading by ctid is fast from version 14 on (TID range scan).
func (sn *snapshot) ranges(version int) []pageRange {
	step := int64(sn.source.tuning.RangePages)
	var out []pageRange
	for i, t := range sn.tables {
		from := int64(0)
		if t.heap && version >= 140000 {
			for ; t.pages-from > step; from += step {
				out = append(out, pageRange{table: i, from: from, to: from + step})
			}
		}
		out = append(out, pageRange{table: i, from: from, to: -1})
	}
	return out
}

// work reads ranges on a connection of its own.
func (sn *snapshot) work(ctx context.Context, next <-chan pageRange) error {
	conn, err := sn.source.connect(ctx)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	if err := sn.enter(ctx, conn); err != nil {
		return err
	}
	readers := make([]*rowReader, len(sn.tables))
	mem := &slab{size: sn.source.tuning.SlabBytes}
	for r := range next {
		if readers[r.table] == nil {
			readers[r.table] = sn.newRowReader(ctx, &sn.tables[r.table], mem)
		}
		reader := readers[r.table]
		if _, err := conn.PgConn().CopyTo(ctx, reader, reader.copySQL(r)); err != nil {
			return fmt.Errorf("%s: read the snapshot: %w", reader.encoder.subject, err)
		}
		if len(reader.rest) > 0 {
			return fmt.Errorf("%s: read the snapshot: the last row is cut off", reader.encoder.subject)
		}
	}
	return nil
}

func (sn *snapshot) newRowReader(ctx context.Context, t *snapshotTable, mem *slab) *rowReader {
	e := sn.source.newRowEncoder(&t.shape)
	e.ids = t.ids
	return &rowReader{ctx: ctx, snapshot: sn, encoder: e, slab: mem, tuple: make(tuple, len(t.columns)), now: time.Now}
}
