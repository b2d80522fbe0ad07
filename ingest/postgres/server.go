package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A server is what matters of the server, database and role that a connection reached.
type server struct {
	version      int // server_version_num
	walLevel     string
	role         string
	database     string
	superuser    bool
	replication  bool
	standby      bool
	mayPublish   bool // CREATE on the database
	slots        int  // in use
	maxSlots     int
	senders      int // in use
	maxSenders   int
	pageSize     int // of the log
	segmentSize  int // of the log
	longRunning  int // transactions older than ten minutes
	ownSlotThere bool
}

const serverQuery = `
SELECT current_setting('server_version_num')::int, current_setting('wal_level'), current_user::text, current_database()::text,
       r.rolsuper,
       r.rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles m WHERE m.rolname = 'rds_replication' AND pg_catalog.pg_has_role(current_user, m.oid, 'MEMBER')),
       pg_catalog.pg_is_in_recovery(),
       pg_catalog.has_database_privilege(current_database(), 'CREATE'),
       (SELECT count(*)::int FROM pg_catalog.pg_replication_slots), current_setting('max_replication_slots')::int,
       (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE backend_type = 'walsender'), current_setting('max_wal_senders')::int,
       current_setting('wal_block_size')::int, pg_catalog.pg_size_bytes(current_setting('wal_segment_size'))::int,
       (SELECT count(*)::int FROM pg_catalog.pg_stat_activity WHERE xact_start < pg_catalog.now() - interval '10 minutes' AND backend_xid IS NOT NULL),
       EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)
FROM pg_catalog.pg_roles r WHERE r.rolname = current_user`

func (s *source) readServer(ctx context.Context, conn *pgx.Conn) (v server, err error) {
	err = conn.QueryRow(ctx, serverQuery, s.slot).Scan(&v.version, &v.walLevel, &v.role, &v.database, &v.superuser, &v.replication,
		&v.standby, &v.mayPublish, &v.slots, &v.maxSlots, &v.senders, &v.maxSenders, &v.pageSize, &v.segmentSize, &v.longRunning, &v.ownSlotThere)
	if err != nil {
		return v, fmt.Errorf("%s: read the server's settings: %w", s.subject(), err)
	}
	return v, nil
}

// faults are what the owner of the server must mend.
func (v *server) faults(subject string) []*fault {
	var out []*fault
	add := func(problem, mend string) { out = append(out, &fault{Subject: subject, Problem: problem, Mend: mend}) }
	if v.version < 120000 {
		add(fmt.Sprintf("the server is version %d; 12 is the oldest that can be captured", v.version/10000), "upgrade the server")
	}
	if v.walLevel != "logical" {
		add(fmt.Sprintf("wal_level is %s, so the log does not hold what decoding needs", v.walLevel),
			"ALTER SYSTEM SET wal_level = logical;  -- then restart the server")
	}
	if v.standby {
		add("the server is a standby", "connect to its primary")
	}
	if !v.replication && !v.superuser {
		add(fmt.Sprintf("role %s may not replicate", v.role), fmt.Sprintf("ALTER ROLE %s REPLICATION;", quote(v.role)))
	}
	if !v.ownSlotThere && v.slots >= v.maxSlots {
		add(fmt.Sprintf("all %d replication slots are in use", v.maxSlots),
			fmt.Sprintf("ALTER SYSTEM SET max_replication_slots = %d;  -- then restart the server; or drop a slot that nobody uses: SELECT * FROM pg_replication_slots", v.maxSlots+10))
	}
	return out
}
