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
}

// copySQL reads a range of the table's columns.
func (r *rowReader) copySQL(p pageRange) string {
	sh := r.encoder.shape
	columns := make([]string, len(sh.columns))
	for i, c := range sh.columns {
		columns[i] = quote(c.name)
	}
	var where string
	switch {
	case p.to >= 0:
		where = fmt.Sprintf(" WHERE ctid >= '(%d,0)' AND ctid < '(%d,0)'", p.from, p.to)
	case p.from > 0:
		where = fmt.Sprintf(" WHERE ctid >= '(%d,0)'", p.from)
	}
	return fmt.Sprintf("COPY (SELECT %s FROM %s%s) TO STDOUT", strings.Join(columns, ", "), sh.from(), where)
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
		if err := r.row(p[:end]); err != nil {
			return 0, err
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
