package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"tributary/ingest"
)

// An origin is where a first snapshot began, with a new slot. Later tries go on from it.
type origin struct {
	At   string `json:"at"`   // where the change stream begins behind it, as in a Resume
	Time int64  `json:"time"` // of the source's clock before it, µs since 1970
	// Transactions before XMin were over, those from XMax on not visible.
	XMin int64 `json:"xmin"`
	XMax int64 `json:"xmax"`
}

// progress is what is on record of a table in a first snapshot.
type progress struct {
	origin
	Table string `json:"table"` // digest of the table's files and contract
	Read  spans  `json:"read"`  // pages that were read whole
}

// digest tells a table from what it is once its rows may have moved without a trace in the log.
func digest(files string, c *ingest.Contract) string {
	sum := sha256.Sum256([]byte(files + "\n" + c.KeySchema + "\n" + c.ValueSchema))
	return hex.EncodeToString(sum[:8])
}

// mark says how far a table's snapshot has come, where a later try may go on.
func (sn *snapshot) mark(ctx context.Context, t *snapshotTable) error {
	text, err := json.Marshal(&t.begun)
	if err != nil {
		return err
	}
	return sn.out.Mark(ctx, ingest.Mark{Snapshot: &ingest.SnapshotMark{Stream: t.stream, Begun: text}})
}

// finished records that a range was read whole: all its rows were handed over.
func (sn *snapshot) finished(ctx context.Context, r pageRange) error {
	if !sn.first || r.since != 0 {
		return nil
	}
	sn.mu.Lock() // also so that no mark overtakes a later one
	defer sn.mu.Unlock()
	t := &sn.tables[r.table]
	t.begun.Read = t.begun.Read.with(r.span)
	return sn.mark(ctx, t)
}

// lost says why a snapshot that was begun cannot be gone on with.
func (s *source) lost(format string, args ...any) error {
	return fmt.Errorf("%s: the snapshot that was begun cannot be gone on with: %s: %w", s.subject(), fmt.Sprintf(format, args...), ingest.ErrPositionLost)
}

// goOn takes a new snapshot for what earlier tries have not read. Nothing may have moved our slot,
// so that the change stream begins where they did.
func (sn *snapshot) goOn(ctx context.Context, in *inspection, req *ingest.SnapshotRequest) error {
	s := sn.source
	sn.begun = map[int]progress{}
	for _, i := range req.Streams {
		var p progress
		if err := json.Unmarshal(req.Begun[i], &p); err != nil || p.XMin <= 0 || p.XMin > p.XMax {
			return s.lost("the record of stream %s is unreadable", s.system.Streams[i].ID())
		}
		if sn.origin == (origin{}) {
			sn.origin = p.origin
		}
		if p.origin != sn.origin {
			return s.lost("the records of its streams are of different times")
		}
		sn.begun[i] = p
	}
	at, err := parseResume(ingest.Resume(sn.At))
	if err != nil {
		return s.lost("%v", err)
	}
	p, err := s.readPublication(ctx, sn.holder, in.server.version)
	if err != nil {
		return err
	}
	if !p.matches(in.tables) {
		return s.lost("publication %s does not hold exactly the tables", s.slot)
	}
	if err := s.untouched(ctx, sn.holder, at); err != nil {
		return err
	}
	// A transaction that the slot's snapshot holds may still wait for its visibility, for example
	// for a standby's answer. The change stream does not repeat it, so it must be seen now.
	if err := s.waitUntilOver(ctx, sn.holder, sn.XMax); err != nil {
		return err
	}
	return sn.hold(ctx, "")
}

// untouched sees that our slot stands where it was made, on the same server.
func (s *source) untouched(ctx context.Context, side *pgx.Conn, at cursor) error {
	conn, err := s.connectReplication(ctx)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	sys, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return fmt.Errorf("%s: identify the server: %w", s.subject(), err)
	}
	if sys.SystemID != at.system || sys.Timeline != at.timeline {
		return s.lost("it is another server, or was promoted")
	}
	st, err := s.readFreeSlot(ctx, side)
	switch {
	case err != nil:
		return err
	case !st.exists || st.walStatus == "lost":
		return s.lost("slot %s is gone or invalidated", s.slot)
	case st.active:
		return s.taken(&st)
	case st.plugin != "pgoutput" || st.database != s.config.Database || st.confirmed != at.lsn:
		return s.lost("slot %s was made anew or confirmed by another", s.slot)
	}
	return nil
}
