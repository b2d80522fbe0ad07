package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tributary/ingest"
)

// A rowReader takes the text of a COPY and hands each row over as a change. It is the io.Writer
// of one COPY at a time.
type rowReader struct {
	ctx      context.Context //nolint:containedctx // io.Writer has no place for it
	snapshot *snapshot
	encoder  *rowEncoder
	slab     *slab
	tuple    tuple
	scratch  []byte // values of the current row that had escapes
	rest     []byte // begin of a row whose end has not come yet
	now      func() time.Time
	failed   error // of handing a row over
}

// copySQL reads a range of the table's columns.
func (r *rowReader) copySQL(p pageRange) string {
	sh := r.encoder.shape
	columns := make([]string, len(sh.columns))
	for i, c := range sh.columns {
		columns[i] = quote(c.name)
	}
	var where []string
	if p.span[0] > 0 {
		where = append(where, fmt.Sprintf("ctid >= '(%d,0)'", p.span[0]))
	}
	if p.span[1] < tableEnd {
		where = append(where, fmt.Sprintf("ctid < '(%d,0)'", p.span[1]))
	}
	if p.since != 0 {
		// Ages are distances on the circle of 32-bit ids. A very old row may look new and be read in
		// vain; a new one never looks old.
		where = append(where, fmt.Sprintf("pg_catalog.age(xmin) <= pg_catalog.age('%d'::pg_catalog.xid)", uint32(p.since)))
	}
	sql := fmt.Sprintf("SELECT %s FROM %s", strings.Join(columns, ", "), sh.from())
	if len(where) > 0 {
		sql += " WHERE " + strings.Join(where, " AND ")
	}
	return "COPY (" + sql + ") TO STDOUT"
}

// Write takes a piece of the COPY's text, by custom one row.
func (r *rowReader) Write(p []byte) (int, error) {
	n := len(p)
	if len(r.rest) > 0 {
		p = append(r.rest, p...)
		r.rest = nil
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			r.rest = append(r.rest, p...)
			break
		}
		if r.failed = r.row(p[:end]); r.failed != nil {
			return 0, r.failed
		}
		p = p[end+1:]
	}
	return n, nil
}

// row hands one row over.
func (r *rowReader) row(line []byte) error {
	if err := r.split(line); err != nil {
		return fmt.Errorf("%s: %w", r.encoder.subject, err)
	}
	sn := r.snapshot
	ev := event{op: ingest.OpRead, after: r.tuple, lsn: sn.lsn, now: r.now()}
	c, err := encodeChange(r.encoder, r.slab, &ev, r.tuple, &sn.at)
	if err != nil {
		return err
	}
	c.Major, c.Minor = sn.major, sn.minor
	return sn.out.Change(r.ctx, c)
}

// errColumns says that a row has another number of columns than was asked for.
var errColumns = errors.New("a row of the snapshot has another number of columns than its table")

// split takes a line of COPY's text format apart: columns between tabs, \N for null, escapes
// with a backslash (PostgreSQL documentation, COPY, "Text Format").
func (r *rowReader) split(line []byte) error {
	r.scratch = r.scratch[:0]
	for i := range r.tuple {
		text := line
		end := bytes.IndexByte(line, '\t')
		if last := i == len(r.tuple)-1; (end < 0) != last {
			return errColumns
		}
		if end >= 0 {
			text, line = line[:end], line[end+1:]
		}
		v := &r.tuple[i]
		switch {
		case len(text) == 2 && text[0] == '\\' && text[1] == 'N':
			*v = value{kind: kindNull}
		case bytes.IndexByte(text, '\\') < 0:
			*v = value{kind: kindText, text: text}
		default:
			from := len(r.scratch)
			r.scratch = unescape(r.scratch, text)
			*v = value{kind: kindText, text: r.scratch[from:]}
		}
	}
	return nil
}

// unescape appends text without its escapes. COPY TO writes no octal or hexadecimal ones.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			i++
			c = text[i]
			switch c {
			case 'b':
				c = '\b'
			case 'f':
				c = '\f'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'v':
				c = '\v'
			}
		}
		dst = append(dst, c)
	}
	return dst
}
