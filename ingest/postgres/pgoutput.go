package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"time"
)

// Layouts are those of the PostgreSQL documentation, "Logical Replication Message Formats" and
// "Streaming Replication Protocol". pglogrepl has them too, but allocates for each row.

// errMessage is returned for a message that ends before its layout does: the connection is
// broken or the server speaks another protocol.
var errMessage = errors.New("a message of the change stream is cut off or not understood")

// A message walks the bytes of a pgoutput message. Its first error sticks.
type message struct {
	buf []byte
	bad bool
}

func (m *message) take(n int) []byte {
	if n < 0 || n > len(m.buf) {
		m.buf, m.bad = nil, true
		return nil
	}
	b := m.buf[:n:n]
	m.buf = m.buf[n:]
	return b
}

func (m *message) byte() byte {
	if b := m.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (m *message) uint16() uint16 {
	if b := m.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (m *message) uint32() uint32 {
	if b := m.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (m *message) uint64() uint64 {
	if b := m.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (m *message) string() string {
	end := bytes.IndexByte(m.buf, 0)
	if end < 0 {
		m.bad = true
		return ""
	}
	s := string(m.buf[:end])
	m.buf = m.buf[end+1:]
	return s
}

// pgEpoch is where the server's clock begins to count microseconds.
var pgEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *message) time() time.Time {
	return pgEpoch.Add(time.Duration(int64(m.uint64())) * time.Microsecond)
}

// tuple reads TupleData into t, whose memory is reused. The texts point into the message.
func (m *message) tuple(t tuple) (tuple, error) {
	n := int(m.uint16())
	t = t[:0]
	for range n {
		v := value{kind: m.byte()}
		switch v.kind {
		case kindNull, kindUnchanged:
		case kindText:
			v.text = m.take(int(int32(m.uint32())))
		default:
			return t, errMessage
		}
		t = append(t, v)
	}
	if m.bad {
		return t, errMessage
	}
	return t, nil
}

// A begin is what a Begin message says.
type begin struct {
	lsn  uint64 // of the commit record
	time time.Time
	xid  uint32
}

func (m *message) begin() (b begin, err error) {
	b = begin{lsn: m.uint64(), time: m.time(), xid: m.uint32()}
	return b, m.err()
}

// commitEnd reads a Commit message and gives where the transaction ends.
func (m *message) commitEnd() (end uint64, err error) {
	m.byte()
	m.uint64()
	end = m.uint64()
	return end, m.err()
}

// A relationMessage is a Relation message's head and columns.
type relationMessage struct {
	oid           uint32
	schema, table string
	identity      byte
	columns       []column // key is set for the columns of the replica identity
}

func (m *message) relation() (r relationMessage, err error) {
	r.oid = m.uint32()
	r.schema, r.table = m.string(), m.string()
	if r.schema == "" {
		r.schema = "pg_catalog"
	}
	r.identity = m.byte()
	for range m.uint16() {
		c := column{key: m.byte()&1 != 0}
		c.name = m.string()
		c.ref.oid = m.uint32()
		c.ref.mod = int32(m.uint32())
		r.columns = append(r.columns, c)
		if m.bad {
			break
		}
	}
	return r, m.err()
}

func (m *message) err() error {
	if m.bad {
		return errMessage
	}
	return nil
}
