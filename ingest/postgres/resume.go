package postgres

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"tributary/ingest"
)

// A cursor is what an ingest.Resume of this driver says: everything that committed before lsn on
// this server and timeline was handed over. Text form: 16/B374D848@7392817263512/1.
type cursor struct {
	lsn      pglogrepl.LSN
	system   string
	timeline int32
}

// append adds the text form to dst.
func (c cursor) append(dst []byte) []byte {
	dst = append(append(dst, c.lsn.String()...), '@')
	dst = append(append(dst, c.system...), '/')
	return strconv.AppendInt(dst, int64(c.timeline), 10)
}

// parseResume reads a Resume that append wrote.
func parseResume(r ingest.Resume) (cursor, error) {
	wrong := fmt.Errorf("resume position %q is not LSN@SYSTEM/TIMELINE", r)
	at, server, ok := strings.Cut(string(r), "@")
	system, timeline, ok2 := strings.Cut(server, "/")
	if !ok || !ok2 {
		return cursor{}, wrong
	}
	lsn, err := pglogrepl.ParseLSN(at)
	if err != nil {
		return cursor{}, wrong
	}
	tl, err := strconv.ParseInt(timeline, 10, 32)
	if err != nil {
		return cursor{}, wrong
	}
	return cursor{lsn: lsn, system: system, timeline: int32(tl)}, nil
}

// before is the major coordinate of a place where a stream goes on, as long as no commit behind it
// was delivered. A commit record may begin right at that place, so the place itself is its; one
// less is beyond all that was delivered and below all that will come.
func before(lsn pglogrepl.LSN) uint64 { return uint64(lsn) - 1 }

func (c *cursor) setLSN(lsn uint64) { c.lsn = pglogrepl.LSN(lsn) }
