package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

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
