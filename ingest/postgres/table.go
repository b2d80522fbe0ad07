package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/jackc/pgx/v5"
)

// A table is a stream's table as the catalog has it.
type table struct {
	shape
	kind        string // pg_class.relkind
	persistence string
	identity    byte
	heap        bool
	mayUse      bool // USAGE on its schema
	mayRead     bool
	mayOwn      bool // our role has the owner's rights
	rowSecurity bool // would hide rows from us
	rows        int64
	unpublished []string // generated columns that decoding leaves out
}

// tableQuery finds a table by its SQL name, quoted or not. It needs no right on the table, and
// raises no error but for a name that is none.
const tableQuery = `
WITH name AS (SELECT pg_catalog.parse_ident($1) AS p)
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text,
       COALESCE(a.amname = 'heap', false),
       pg_catalog.has_schema_privilege(n.oid, 'USAGE'), pg_catalog.has_table_privilege(c.oid, 'SELECT'),
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       c.relrowsecurity AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user)
         AND (c.relforcerowsecurity OR NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')),
       (SELECT COALESCE(sum(p.reltuples) FILTER (WHERE p.reltuples >= 0 AND p.relpages > 0), -1)::int8 FROM pg_catalog.pg_class p
         WHERE p.oid = c.oid AND c.relkind <> 'p' OR p.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(c.oid) WHERE isleaf AND c.relkind = 'p')),
       ARRAY(SELECT g.attname::text FROM pg_catalog.pg_attribute g WHERE g.attrelid = c.oid AND g.attnum > 0 AND NOT g.attisdropped
         AND NOT (g.attgenerated = '' OR g.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000))
FROM name, pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
WHERE c.relname = p[pg_catalog.array_length(p, 1)] AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE pg_catalog.array_length(p, 1) WHEN 1 THEN pg_catalog.pg_table_is_visible(c.oid) WHEN 2 THEN n.nspname = p[1] ELSE false END`

// findTable looks a stream's table up; nil without an error means that there is none.
func (s *source) findTable(ctx context.Context, conn *pgx.Conn, stream int) (*table, error) {
	t := &table{shape: shape{stream: stream}}
	var identity string
	err := conn.QueryRow(ctx, tableQuery, s.system.Streams[stream].Table).Scan(&t.oid, &t.schema, &t.table, &t.kind, &t.persistence,
		&identity, &t.heap, &t.mayUse, &t.mayRead, &t.mayOwn, &t.rowSecurity, &t.rows, &t.unpublished)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: look the table up: %w", s.streamSubject(stream), err)
	}
	t.identity, t.partitioned = identity[0], t.kind == "p"
	return t, nil
}

// missingTable is the fault of a table that is not there.
func (s *source) missingTable(ctx context.Context, conn *pgx.Conn, stream int) (*fault, error) {
	wanted := s.system.Streams[stream].Table
	rows, err := conn.Query(ctx, `
		SELECT n.nspname::text || '.' || c.relname::text
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' LIMIT 10000`)
	if err != nil {
		return nil, fmt.Errorf("%s: list tables: %w", s.subject(), err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: list tables: %w", s.subject(), err)
	}
	f := &fault{Subject: s.streamSubject(stream), Problem: fmt.Sprintf("database %s has no table %s", s.config.Database, wanted),
		Mend: "name a table that exists in the manifest, or create it"}
	if near := nearest(wanted, names); near != "" {
		f.Mend = fmt.Sprintf("did you mean %s?", near)
	}
	return f, nil
}

// nearest is the table whose name is most like the wanted one, or "" when none is like it.
func nearest(wanted string, names []string) string {
	plain := strings.ToLower(strings.ReplaceAll(wanted, `"`, ""))
	if !strings.Contains(plain, ".") {
		plain = "public." + plain
	}
	best, bestDistance := "", max(2, len(plain)/4)+1
	for _, name := range names {
		d := levenshtein.ComputeDistance(plain, strings.ToLower(name))
		if _, bare, _ := strings.Cut(name, "."); strings.HasSuffix(plain, "."+strings.ToLower(bare)) {
			d = 0 // the same name in another schema
		}
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	return best
}

// faults are what the owner of the table must mend; its columns are loaded only where there are
// none that forbid it.
func (t *table) faults(subject, role string, version int) []*fault {
	var out []*fault
	name := qualified(t.schema, t.table)
	add := func(problem, mend string) { out = append(out, &fault{Subject: subject, Problem: problem, Mend: mend}) }
	switch {
	case t.kind == "v" || t.kind == "m" || t.kind == "f":
		add("it is a view or a foreign table, which have no changes in the log", "name the tables behind it")
		return out
	case t.persistence != "p":
		add("the table is unlogged or temporary, so the log does not hold its changes", fmt.Sprintf("ALTER TABLE %s SET LOGGED;", name))
	case t.partitioned && version < 130000:
		add("a partitioned table can be captured as one from version 13 on", "name its partitions as streams, or upgrade the server")
	}
	if !t.mayUse {
		add(fmt.Sprintf("role %s may not use schema %s", role, t.schema), fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", quote(t.schema), quote(role)))
	}
	if !t.mayRead {
		add(fmt.Sprintf("role %s may not read the table", role), fmt.Sprintf("GRANT SELECT ON %s TO %s;", name, quote(role)))
	}
	if t.rowSecurity {
		add(fmt.Sprintf("row level security would hide rows from role %s", role), fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", quote(role)))
	}
	return append(out, t.keyFaults(subject, name)...)
}

// keyFaults judges what identifies a row.
func (t *table) keyFaults(subject, name string) []*fault {
	switch {
	case t.identity == identityNothing:
		return []*fault{{Subject: subject, Problem: "its REPLICA IDENTITY is NOTHING, so updates and deletes do not say of which row",
			Mend: fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY DEFAULT;", name)}}
	case t.wholeRow && t.identity != identityFull:
		return []*fault{{Subject: subject, Problem: "it has no primary key that identifies a row, so updates and deletes of it fail once it is published",
			Mend: fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (…);  -- or, with a unique index on NOT NULL columns: ALTER TABLE %s REPLICA IDENTITY USING INDEX …;  -- or, last choice: ALTER TABLE %s REPLICA IDENTITY FULL;", name, name, name)}}
	}
	return nil
}
