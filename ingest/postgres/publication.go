package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// A publication is ours as it is upstream.
type publication struct {
	exists  bool
	right   bool // all operations, through partition roots, no filter, no column list, no FOR ALL TABLES
	mayOwn  bool
	members []uint32 // oids of the published tables, sorted
}

// readPublication looks at the publication; the conditions grow with the versions' options.
func (s *source) readPublication(ctx context.Context, conn *pgx.Conn, version int) (p publication, err error) {
	right := "NOT p.puballtables AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate"
	member := "true"
	if version >= 130000 {
		right += " AND p.pubviaroot"
	}
	if version >= 150000 {
		member = "r.prqual IS NULL AND r.prattrs IS NULL"
		right += " AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n WHERE n.pnpubid = p.oid)"
	}
	if version >= 180000 {
		right += " AND p.pubgencols = 's'"
	}
	err = conn.QueryRow(ctx, fmt.Sprintf(`
		SELECT %s AND COALESCE((SELECT bool_and(%s) FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid), true),
		       pg_catalog.pg_has_role(p.pubowner, 'USAGE'),
		       ARRAY(SELECT r.prrelid FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid ORDER BY r.prrelid)
		FROM pg_catalog.pg_publication p WHERE p.pubname = $1`, right, member), s.slot).Scan(&p.right, &p.mayOwn, &p.members)
	if errors.Is(err, pgx.ErrNoRows) {
		return publication{}, nil
	}
	if err != nil {
		return p, fmt.Errorf("%s: read publication %s: %w", s.subject(), s.slot, err)
	}
	p.exists = true
	return p, nil
}

// matches says whether the publication holds exactly the tables.
func (p *publication) matches(tables []*table) bool {
	oids := make([]uint32, 0, len(tables))
	for _, t := range tables {
		oids = append(oids, t.oid)
	}
	slices.Sort(oids)
	return p.exists && p.right && slices.Equal(oids, p.members)
}

// publicationSQL are the statements that make the publication what it must be.
func (s *source) publicationSQL(p *publication, tables []*table, version int) []string {
	var names []string
	for _, t := range tables {
		name := qualified(t.schema, t.table)
		if !t.partitioned {
			name = "ONLY " + name
		}
		names = append(names, name)
	}
	options := "publish = 'insert, update, delete, truncate'"
	if version >= 130000 {
		options += ", publish_via_partition_root = true"
	}
	if version >= 180000 {
		options += ", publish_generated_columns = stored"
	}
	if !p.exists {
		return []string{fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s WITH (%s)", quote(s.slot), strings.Join(names, ", "), options)}
	}
	return []string{
		fmt.Sprintf("ALTER PUBLICATION %s SET (%s)", quote(s.slot), options),
		fmt.Sprintf("ALTER PUBLICATION %s SET TABLE %s", quote(s.slot), strings.Join(names, ", ")),
	}
}

// publicationFaults says what forbids us to make the publication, if it is to be made.
func (s *source) publicationFaults(ctx context.Context, conn *pgx.Conn, in *inspection) ([]*fault, error) {
	if slices.Contains(in.tables, nil) || len(in.tables) == 0 {
		return nil, nil // what to publish is not known yet
	}
	p, err := s.readPublication(ctx, conn, in.server.version)
	if err != nil || p.matches(in.tables) || in.server.superuser {
		return nil, err
	}
	var foreign []string
	for _, t := range in.tables {
		if !t.mayOwn {
			foreign = append(foreign, t.schema+"."+t.table)
		}
	}
	if len(foreign) == 0 && (p.exists && p.mayOwn || !p.exists && in.server.mayPublish) {
		return nil, nil
	}
	problem := fmt.Sprintf("role %s may not create publication %s in database %s", in.server.role, s.slot, in.server.database)
	if p.exists {
		problem = fmt.Sprintf("publication %s is not as it must be, and role %s may not change it", s.slot, in.server.role)
	}
	if len(foreign) > 0 {
		problem += "; it does not own " + strings.Join(foreign, ", ")
	}
	return []*fault{{Subject: s.subject(), Problem: problem,
		Mend: strings.Join(s.publicationSQL(&p, in.tables, in.server.version), "; ") + ";  -- as the tables' owner or a superuser"}}, nil
}

// ensurePublication makes the publication hold exactly the streams' tables, and says whether it
// had to be changed for that.
func (s *source) ensurePublication(ctx context.Context, conn *pgx.Conn, in *inspection) (changed bool, err error) {
	p, err := s.readPublication(ctx, conn, in.server.version)
	if err != nil || p.matches(in.tables) {
		return false, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range s.publicationSQL(&p, in.tables, in.server.version) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("%s: publication %s: %w", s.subject(), s.slot, err)
	}
	return true, nil
}

// waitForWriters waits until every transaction that may have written before the publication
// changed has ended: decoding filters its early changes by the old publication, and a snapshot
// taken while it runs does not hold them either. (A slot's creation waits by itself.)
func (s *source) waitForWriters(ctx context.Context, conn *pgx.Conn) error {
	var until int64
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())").Scan(&until); err != nil {
		return fmt.Errorf("%s: %w", s.subject(), err)
	}
	return s.waitUntilOver(ctx, conn, until)
}

// waitUntilOver waits until every transaction before until has ended and its end is visible.
func (s *source) waitUntilOver(ctx context.Context, conn *pgx.Conn, until int64) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var oldest int64
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot())").Scan(&oldest); err != nil {
			return fmt.Errorf("%s: %w", s.subject(), err)
		}
		if oldest >= until {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
