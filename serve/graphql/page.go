package graphql

import (
	"bytes"
	"strconv"

	"tributary/serve/freshness"
	"tributary/serve/jsontext"
	"tributary/serve/paging"
	"tributary/serve/rowmeta"
)

// A page gathers the rows of a connection while the store gives them.
type page struct {
	conn    *connection
	writer  *rowmeta.Writer
	divider []byte // the quoted name of the member between parts
	first   int64

	rows   int64
	next   bool
	lists  [][]byte // for each connection member of kind nodes or edges: its items
	row    []byte
	parts  [][]byte
	start  []byte
	cursor []byte // of the row that was added last
}

func newPage(conn *connection, w *rowmeta.Writer, mark string, first int64) *page {
	return &page{conn: conn, writer: w, divider: []byte(`"` + mark + `"`), first: first, lists: make([][]byte, len(conn.members))}
}

// size is how many bytes the page holds.
func (p *page) size() int {
	n := 0
	for _, l := range p.lists {
		n += len(l)
	}
	return n
}

// add takes a row of the store.
func (p *page) add(json, cursor []byte) (err error) {
	if p.rows == p.first {
		p.next = true
		return nil
	}
	p.rows++
	if p.row, err = p.writer.Append(p.row[:0], json); err != nil {
		return err
	}
	if p.conn.parts > 0 {
		if p.parts, err = split(p.parts[:0], p.row, p.divider); err != nil {
			return err
		}
	}
	p.keepCursor(cursor)
	for i := range p.conn.members {
		m := &p.conn.members[i]
		if m.kind != connNodes && m.kind != connEdges {
			continue
		}
		dst := p.lists[i]
		if p.rows > 1 {
			dst = append(dst, ',')
		}
		if m.kind == connNodes {
			p.lists[i] = appendObject(dst, p.parts[m.part])
		} else {
			p.lists[i] = p.appendEdge(dst, m)
		}
	}
	return nil
}

func (p *page) keepCursor(stored []byte) {
	if !p.conn.cursors && !p.conn.ends {
		return
	}
	p.cursor = paging.AppendCursor(p.cursor[:0], p.conn.tag, stored)
	if p.rows == 1 {
		p.start = append(p.start, p.cursor...)
	}
}

func (p *page) appendEdge(dst []byte, m *connMember) []byte {
	dst = append(dst, '{')
	for j := range m.sub {
		sub := &m.sub[j]
		if j > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, sub.as)
		switch sub.kind {
		case edgeNode:
			dst = appendObject(dst, p.parts[sub.part])
		case edgeCursor:
			dst = append(append(append(dst, '"'), p.cursor...), '"')
		default:
			dst = jsontext.AppendString(dst, sub.typename)
		}
	}
	return append(dst, '}')
}

func appendObject(dst, members []byte) []byte {
	return append(append(append(dst, '{'), members...), '}')
}

// split cuts the members of a row's object into parts, each of which begins with a member named
// as the mark and worth " ".
func split(parts [][]byte, row, divider []byte) ([][]byte, error) {
	row = bytes.TrimSpace(row)
	if len(row) < 2 || row[0] != '{' {
		return nil, rowmeta.ErrMark
	}
	row = row[1 : len(row)-1]
	at := bytes.Index(row, divider)
	for at >= 0 {
		row = bytes.TrimLeft(row[at+len(divider):], ` :`)
		row = bytes.TrimPrefix(row, []byte(`" "`))
		at = bytes.Index(row, divider)
		part := row
		if at >= 0 {
			part = row[:at]
		}
		parts = append(parts, bytes.Trim(part, ", "))
	}
	return parts, nil
}

// append writes the connection.
func (p *page) append(dst []byte, total int64, snap *freshness.Snapshot, reading freshness.Reading) []byte {
	dst = append(dst, '{')
	for i := range p.conn.members {
		m := &p.conn.members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, m.as)
		switch m.kind {
		case connNodes, connEdges:
			dst = append(append(append(dst, '['), p.lists[i]...), ']')
		case connPage:
			dst = p.appendPageInfo(dst, m.sub)
		case connCount:
			dst = strconv.AppendInt(dst, total, 10)
		case connMeta:
			dst = rowmeta.View(dst, m.meta, snap, p.conn.bounds, reading, p.writer.Now)
		default:
			dst = jsontext.AppendString(dst, m.typename)
		}
	}
	return append(dst, '}')
}

func (p *page) appendPageInfo(dst []byte, members []connMember) []byte {
	dst = append(dst, '{')
	for i := range members {
		m := &members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, m.as)
		switch m.kind {
		case pageNext:
			dst = strconv.AppendBool(dst, p.next)
		case pagePrevious:
			dst = strconv.AppendBool(dst, p.conn.paged)
		case pageStart:
			dst = appendCursor(dst, p.start)
		case pageEnd:
			dst = appendCursor(dst, p.cursor)
		default:
			dst = jsontext.AppendString(dst, m.typename)
		}
	}
	return append(dst, '}')
}

func appendCursor(dst, cursor []byte) []byte {
	if len(cursor) == 0 {
		return append(dst, "null"...)
	}
	return append(append(append(dst, '"'), cursor...), '"')
}
