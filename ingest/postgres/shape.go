package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// A shape is a table as it is captured: its columns in order and what makes its key. Snapshots
// take it from the catalog, streams from Relation messages; equal shapes give equal contracts.
type shape struct {
	stream        int
	oid           uint32
	schema, table string
	partitioned   bool
	columns       []column
	// wholeRow is set where all columns are the key, nulls included: a table with
	// REPLICA IDENTITY FULL and no primary key.
	wholeRow bool
}

// A column of a shape.
type column struct {
	name string
	ref  typeRef
	typ  pgType
	key  bool
}

// nullable says whether the column's field is a union with null.
func (s *shape) nullable(i int) bool { return s.wholeRow || !s.columns[i].key }

// names are the columns' names.
func (s *shape) names() []string {
	out := make([]string, len(s.columns))
	for i, c := range s.columns {
		out[i] = c.name
	}
	return out
}

// from is the table in a FROM clause: without the tables that inherit from it, with partitions.
func (s *shape) from() string {
	if s.partitioned {
		return qualified(s.schema, s.table)
	}
	return "ONLY " + qualified(s.schema, s.table)
}

// setKey marks the key columns: those of the named ones, or all where there are none.
func (s *shape) setKey(names []string) {
	s.wholeRow = len(names) == 0
	for i := range s.columns {
		s.columns[i].key = s.wholeRow || slices.Contains(names, s.columns[i].name)
	}
}

// Replica identities, as in pg_class.relreplident and Relation messages.
const (
	identityDefault = 'd'
	identityNothing = 'n'
	identityFull    = 'f'
	identityIndex   = 'i'
)

// keyQuery gives the columns of the index that the key is taken from: the replica identity
// index where one is chosen, else the primary key. A deferrable key identifies no row.
const keyQuery = `
SELECT a.attname::text
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid
  AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1])
WHERE i.indrelid = $1 AND i.indimmediate AND i.indisvalid
  AND CASE WHEN c.relreplident = 'i' THEN i.indisreplident ELSE i.indisprimary END
ORDER BY a.attnum`

func keyColumns(ctx context.Context, conn *pgx.Conn, oid uint32) ([]string, error) {
	rows, err := conn.Query(ctx, keyQuery, oid)
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// columnQuery gives the columns that logical decoding publishes: no generated ones before 18,
// stored ones since.
const columnQuery = `
SELECT a.attname::text, a.atttypid, a.atttypmod
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
  AND (a.attgenerated = '' OR (a.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000))
ORDER BY a.attnum`

// loadColumns fills the shape's columns with resolved types and its key from the catalog.
func (s *shape) loadColumns(ctx context.Context, conn *pgx.Conn, types *typeCatalog) error {
	rows, err := conn.Query(ctx, columnQuery, s.oid)
	if err != nil {
		return fmt.Errorf("read columns: %w", err)
	}
	s.columns, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (c column, err error) {
		return c, row.Scan(&c.name, &c.ref.oid, &c.ref.mod)
	})
	if err != nil {
		return fmt.Errorf("read columns: %w", err)
	}
	if err := s.resolveTypes(ctx, conn, types); err != nil {
		return err
	}
	key, err := keyColumns(ctx, conn, s.oid)
	if err != nil {
		return err
	}
	s.setKey(key)
	return nil
}

func (s *shape) resolveTypes(ctx context.Context, conn *pgx.Conn, types *typeCatalog) error {
	refs := make([]typeRef, len(s.columns))
	for i, c := range s.columns {
		refs[i] = c.ref
	}
	resolved, err := types.resolve(ctx, conn, refs)
	if err != nil {
		return err
	}
	for i := range s.columns {
		s.columns[i].typ = resolved[i]
	}
	return nil
}
