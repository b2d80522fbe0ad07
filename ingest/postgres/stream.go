package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/topics"
)

// writeTimeout bounds the writing of one small message.
const writeTimeout = 30 * time.Second

// A stream is one run of Stream. Its reader goroutine owns all fields that are not said to be
// shared; two others report to the server and read the source's clock.
type stream struct {
	source   *source
	out      ingest.Emitter
	server   server
	conn     net.Conn // written by the reporter alone, read by the reader alone
	frontend *pgproto3.Frontend

	streams     map[uint32]int // by table
	partitioned map[uint32]bool
	relations   map[uint32]*relation // nil: of no stream of ours
	last        *relation            // the latest one looked up, and its table
	lastOID     uint32
	side        *pgx.Conn // for re-reads and types; nil until it is needed

	at     cursor // all before it was handed over
	major  topics.Major
	tx     transaction
	slab   *slab
	tuples [2]tuple // old, new

	received atomic.Uint64   // shared: how far the server has sent
	asked    atomic.Bool     // shared: the server wants to hear from us
	wake     chan struct{}   // shared: there is something to report
	pending  pendingReadings // shared
}

// A transaction is the one whose changes are coming.
type transaction struct {
	moment
	open  bool
	lsn   uint64 // of its commit record
	minor uint64 // of its latest change
	full  int64  // its id in full width, 0 until it is needed
	now   time.Time
	row   uint64 // lsn of the current change
}

// Stream hands over what happened behind from; see ingest.Source.
func (s *source) Stream(ctx context.Context, from ingest.Resume, out ingest.Emitter) error {
	at, err := parseResume(from)
	if err != nil {
		return fmt.Errorf("%s: %w", s.subject(), err)
	}
	st := &stream{source: s, out: out, at: at, major: topics.MajorOf(before(at.lsn)), relations: map[uint32]*relation{}, wake: make(chan struct{}, 1),
		slab: &slab{size: s.tuning.SlabBytes}}
	defer st.close(ctx)
	if err := st.start(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = st.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	g.Go(func() error { return st.read(ctx) })
	g.Go(func() error { return st.reportStatus(ctx) })
	g.Go(func() error { return st.readClock(ctx) })
	return g.Wait()
}

func (st *stream) close(ctx context.Context) {
	if st.conn != nil {
		_ = st.conn.Close()
	}
	if st.side != nil {
		closeConn(ctx, st.side)
	}
}

// sideConn is the connection for types and re-reads, opened at its first use.
func (st *stream) sideConn(ctx context.Context) (*pgx.Conn, error) {
	if st.side == nil {
		conn, err := st.source.connect(ctx)
		if err != nil {
			return nil, err
		}
		st.side = conn
	}
	return st.side, nil
}

// read takes messages from the server until ctx ends.
func (st *stream) read(ctx context.Context) error {
	for {
		msg, err := st.frontend.Receive()
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%s: read the change stream: %w", st.source.subject(), err)
		}
		switch msg := msg.(type) {
		case *pgproto3.CopyData:
			err = st.frame(ctx, msg.Data)
		case *pgproto3.ErrorResponse:
			err = fmt.Errorf("%s: the change stream ended: %w", st.source.subject(), pgconn.ErrorResponseToPgError(msg))
		case *pgproto3.CopyDone, *pgproto3.CommandComplete, *pgproto3.ReadyForQuery:
			err = fmt.Errorf("%s: the server ended the change stream; it is shutting down", st.source.subject())
		}
		if err != nil {
			return err
		}
	}
}

// frame takes the content of a CopyData message.
func (st *stream) frame(ctx context.Context, data []byte) error {
	m := message{buf: data}
	switch m.byte() {
	case 'w':
		lsn := m.uint64()
		m.take(16) // the end of the log, the server's clock
		if m.bad {
			return errMessage
		}
		st.received.Store(max(st.received.Load(), lsn))
		st.tx.row = lsn
		return st.message(ctx, m.buf)
	case 'k':
		end := m.uint64()
		m.take(8)
		reply := m.byte()
		if m.bad {
			return errMessage
		}
		return st.keepalive(ctx, end, reply == 1)
	}
	return nil
}

// keepalive takes how far the server has decoded: all transactions that committed before end
// were sent before this message.
func (st *stream) keepalive(ctx context.Context, end uint64, reply bool) error {
	st.received.Store(max(st.received.Load(), end))
	if reply {
		st.asked.Store(true)
		select {
		case st.wake <- struct{}{}:
		default:
		}
	}
	if st.tx.open {
		return nil // not all before end was delivered
	}
	return st.mark(ctx, end)
}

// message takes a pgoutput message.
func (st *stream) message(ctx context.Context, body []byte) error {
	m := message{buf: body}
	switch m.byte() {
	case 'B':
		b, err := m.begin()
		if err != nil {
			return err
		}
		st.tx = transaction{open: true, lsn: b.lsn, now: time.Now(), row: st.tx.row,
			moment: moment{number: st.tx.number + 1, time: b.time, snapshot: "false", xid: b.xid}}
		return nil
	case 'C':
		end, err := m.commitEnd()
		if err != nil {
			return err
		}
		st.tx.open = false
		st.major = topics.MajorOf(st.tx.lsn)
		return st.mark(ctx, end)
	case 'R':
		return st.describeRelation(ctx, m.buf)
	case 'I':
		return st.insert(ctx, &m)
	case 'U':
		return st.update(ctx, &m)
	case 'D':
		return st.delete(ctx, &m)
	case 'T':
		return st.truncate(ctx, &m)
	case 'O', 'Y', 'M': // origins, type names and logical messages say nothing about rows
		return nil
	}
	return errMessage
}

// mark says that all before end was handed over, and with it every watermark up to there (I4).
func (st *stream) mark(ctx context.Context, end uint64) error {
	mk := ingest.Mark{Major: st.major, Watermark: st.pending.passed(end)}
	if end > uint64(st.at.lsn) {
		st.at.setLSN(end)
		st.slab.room(64)
		from := len(st.slab.buf)
		st.slab.buf = st.at.append(st.slab.buf)
		mk.Resume = st.slab.cut(from)
	}
	if mk.Resume == nil && mk.Watermark.IsZero() {
		return nil
	}
	return st.out.Mark(ctx, mk)
}

// relationOf finds the relation of a change; nil says that it is of no stream of ours.
func (st *stream) relationOf(m *message) (*relation, error) {
	oid := m.uint32()
	if oid == st.lastOID && oid != 0 {
		return st.last, nil
	}
	rel, ok := st.relations[oid]
	if !ok {
		return nil, fmt.Errorf("%s: a change came of a table that was not described: %w", st.source.subject(), errMessage)
	}
	st.last, st.lastOID = rel, oid
	return rel, nil
}

// truncate hands over a TRUNCATE for each of its tables.
func (st *stream) truncate(ctx context.Context, m *message) error {
	n := m.uint32()
	m.byte()
	for range n {
		st.tx.minor++
		rel, err := st.relationOf(m)
		if err != nil {
			return errors.Join(err, m.err())
		}
		if rel == nil {
			continue
		}
		if err := st.out.Change(ctx, ingest.Change{Stream: rel.encoder.shape.stream, Op: ingest.OpTruncate,
			Major: topics.MajorOf(st.tx.lsn), Minor: st.tx.minor, CommitTime: st.tx.time}); err != nil {
			return err
		}
	}
	return m.err()
}

// emit hands over one change under the next position of its transaction.
func (st *stream) emit(ctx context.Context, rel *relation, ev *event, key tuple) error {
	st.tx.minor++
	ev.lsn, ev.now = st.tx.row, st.tx.now
	c, err := encodeChange(rel.encoder, st.slab, ev, key, &st.tx.moment)
	if err != nil {
		return err
	}
	c.Major, c.Minor = topics.MajorOf(st.tx.lsn), st.tx.minor
	return st.out.Change(ctx, c)
}
