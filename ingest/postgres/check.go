package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tributary/ingest"
)

// A Level says how bad a finding is.
type Level string

// The levels of findings.
const (
	OK   Level = "ok"
	Warn Level = "warn" // works, but look at it
	Fail Level = "fail" // capture cannot work
)

// A Finding is one line of a check-up.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"` // "system erp", "stream erp.material (public.mara)"
	Text    string `json:"text"`
	Mend    string `json:"mend,omitempty"` // what to do, ready to paste
}

// Check looks at a Postgres system and reports all that matters for its capture. It changes
// nothing. What cannot be reached is a finding too.
func Check(ctx context.Context, opts ingest.Options) []Finding {
	c := &checkup{}
	s, err := newSource(opts, Tuning{})
	if err != nil {
		c.failed("system "+opts.System.Name, err)
		return c.findings
	}
	conn, err := s.connect(ctx)
	if err != nil {
		c.failed(s.subject(), err)
		return c.findings
	}
	defer closeConn(ctx, conn)
	in, err := s.inspect(ctx, conn)
	if err != nil {
		c.failed(s.subject(), err)
		return c.findings
	}
	c.server(s, in)
	c.tables(s, in)
	for _, f := range in.faults {
		c.add(Fail, f.Subject, f.Problem, f.Mend)
	}
	c.capture(ctx, s, conn, in)
	return c.findings
}

// A checkup gathers findings.
type checkup struct{ findings []Finding }

func (c *checkup) add(level Level, subject, text, mend string) {
	c.findings = append(c.findings, Finding{Level: level, Subject: subject, Text: text, Mend: mend})
}

// failed adds an error: a fault with its mend, another one as what kept us from looking.
func (c *checkup) failed(subject string, err error) {
	var f *fault
	if errors.As(err, &f) {
		c.add(Fail, f.Subject, f.Problem, f.Mend)
		return
	}
	c.add(Fail, subject, strings.TrimPrefix(err.Error(), subject+": "), "check the address, the password and the server's pg_hba.conf")
}

func (c *checkup) server(s *source, in *inspection) {
	v := &in.server
	c.add(OK, s.subject(), fmt.Sprintf("PostgreSQL %d.%d, database %s, role %s", v.version/10000, v.version%10000, v.database, v.role), "")
	if v.walLevel == "logical" {
		c.add(OK, s.subject(), "wal_level is logical", "")
	}
	if v.superuser {
		c.add(Warn, s.subject(), fmt.Sprintf("role %s is a superuser; capture needs far less", v.role),
			"CREATE ROLE tributary LOGIN REPLICATION PASSWORD '…';  -- with SELECT on the tables")
	}
	if v.slots < v.maxSlots || v.ownSlotThere {
		c.add(OK, s.subject(), fmt.Sprintf("%d of %d replication slots in use", v.slots, v.maxSlots), "")
	}
	if v.senders >= v.maxSenders {
		c.add(Warn, s.subject(), fmt.Sprintf("all %d WAL senders are in use", v.maxSenders),
			fmt.Sprintf("ALTER SYSTEM SET max_wal_senders = %d;  -- then restart the server", v.maxSenders+10))
	}
	if v.longRunning > 0 && !v.ownSlotThere {
		c.add(Warn, s.subject(), fmt.Sprintf("%d writing transactions are older than ten minutes; the first snapshot waits for them", v.longRunning),
			"SELECT pid, xact_start, application_name FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;")
	}
}

func (c *checkup) tables(s *source, in *inspection) {
	for _, t := range in.tables {
		if t == nil || len(t.faults("", "", in.server.version)) > 0 {
			continue
		}
		subject := s.streamSubject(t.stream)
		switch {
		case t.wholeRow:
			c.add(Warn, subject, "it has no primary key: the whole row is its key, and equal rows are one", fmt.Sprintf("ALTER TABLE %s ADD PRIMARY KEY (…);", qualified(t.schema, t.table)))
		default:
			c.add(OK, subject, fmt.Sprintf("%d columns, key %s", len(t.columns), t.keyText()), "")
		}
		if len(t.unpublished) > 0 {
			c.add(Warn, subject, fmt.Sprintf("generated columns are left out, as this server does not publish them: %v", t.unpublished), "")
		}
		if s.system.Streams[t.stream].Before && t.identity != identityFull {
			c.add(Warn, subject, "before: true, but the log holds old rows only with REPLICA IDENTITY FULL",
				fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL;", qualified(t.schema, t.table)))
		}
	}
}

// keyText names the key's columns.
func (s *shape) keyText() string {
	text := ""
	for _, c := range s.columns {
		if c.key {
			if text != "" {
				text += ", "
			}
			text += c.name
		}
	}
	return text
}

// capture reports on publication and slot.
func (c *checkup) capture(ctx context.Context, s *source, conn *pgx.Conn, in *inspection) {
	st, err := s.readSlot(ctx, conn)
	if err != nil {
		c.failed(s.subject(), err)
		return
	}
	if !st.exists {
		c.add(OK, s.subject(), fmt.Sprintf("slot %s does not exist yet; the first snapshot makes it", s.slot), "")
		return
	}
	if st.plugin != "pgoutput" || st.database != in.server.database {
		c.add(Fail, s.subject(), fmt.Sprintf("slot %s is of plugin %s in database %s", s.slot, st.plugin, st.database),
			fmt.Sprintf("SELECT pg_drop_replication_slot('%s');", s.slot))
		return
	}
	kept := fmt.Sprintf("keeps %.1f MiB of log", float64(st.retained)/(1<<20))
	if st.walStatus != "" {
		kept += ", wal_status " + st.walStatus
	}
	switch {
	case st.walStatus == "lost":
		c.add(Fail, s.subject(), fmt.Sprintf("slot %s was invalidated: %s; the next start takes a new snapshot", s.slot, kept), "raise max_slot_wal_keep_size")
	case st.walStatus == "unreserved":
		c.add(Warn, s.subject(), fmt.Sprintf("slot %s is about to be invalidated: %s", s.slot, kept), "run the mesh, or raise max_slot_wal_keep_size")
	case st.active:
		c.add(OK, s.subject(), fmt.Sprintf("slot %s is in use (%s), %s", s.slot, st.user, kept), "")
	default:
		c.add(Warn, s.subject(), fmt.Sprintf("slot %s is not in use, %s", s.slot, kept),
			fmt.Sprintf("run the mesh; or, if it shall never run again: SELECT pg_drop_replication_slot('%s');", s.slot))
	}
}
