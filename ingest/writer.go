package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
	"tributary/topics"
)

const (
	batchBytes = 4 << 20 // a transaction is committed at the latest when it holds so much (I14)
	linger     = 5 * time.Millisecond
)

// A writer is the Emitter of one connection: it gathers changes into batches and commits each
// batch with its positions and claims in one Kafka transaction (I1, I14). Sources call it from
// several goroutines; commit loops in run.
type writer struct {
	conn *connection
	cl   *kgo.Client
	ends *topics.Ends

	durable atomic.Pointer[Resume]

	mu     sync.Mutex // protects what is below
	cur    *batch
	room   chan struct{} // closed and renewed when cur was taken
	filled chan struct{} // has a token while cur holds something
	err    error
	taken  int64 // batches taken
	done   int64 // batches committed
}

// A batch is what one transaction will hold.
type batch struct {
	records []*kgo.Record
	bytes   int
	touched map[int]topics.Position // by stream: the position to record
	rows    map[int]int64           // by stream: rows of a snapshot
	begun   map[int][]byte          // by stream: what its first snapshot has read
	mark    Mark
	marked  bool
	states  []int         // streams whose record is written whatever they hold
	more    []*kgo.Record // what else goes with it: where requests stand
}

func newBatch() *batch {
	return &batch{touched: map[int]topics.Position{}, rows: map[int]int64{}, begun: map[int][]byte{}}
}

func (b *batch) empty() bool {
	return len(b.records) == 0 && !b.marked && len(b.states) == 0 && len(b.begun) == 0 && len(b.more) == 0
}

func newWriter(conn *connection, cl *kgo.Client, ends *topics.Ends) *writer {
	return &writer{conn: conn, cl: cl, ends: ends, cur: newBatch(),
		room: make(chan struct{}), filled: make(chan struct{}, 1)}
}

// Contract implements Emitter.
func (w *writer) Contract(ctx context.Context, c Contract) (SchemaIDs, error) {
	return w.conn.register(ctx, c)
}

// Durable implements Emitter.
func (w *writer) Durable() Resume {
	if r := w.durable.Load(); r != nil {
		return *r
	}
	return nil
}

// Change implements Emitter.
func (w *writer) Change(ctx context.Context, c Change) error {
	s := w.conn.streams[c.Stream]
	pos := s.position(c.Major, c.Minor)
	if c.Op != OpRead && pos.Compare(s.floor) <= 0 {
		return nil // written before a restart
	}
	if c.Op == OpTruncate {
		return w.truncate(ctx, s, pos, c.CommitTime)
	}
	return w.add(ctx, s, pos, c, true)
}

// add puts a change, and a delete's tombstone, into the batch. whole says that nothing else with
// this position follows, so that a restart may begin behind it.
func (w *writer) add(ctx context.Context, s *stream, pos topics.Position, c Change, whole bool) error {
	partition := topics.Partition(c.Key[schemas.FrameSize:], w.conn.cfg.Partitions)
	headers := []kgo.RecordHeader{{Key: topics.HeaderPosition, Value: pos[:]}}
	if c.Reason != "" {
		headers = append(headers, kgo.RecordHeader{Key: topics.HeaderReason, Value: []byte(c.Reason)})
	}
	r := &kgo.Record{Topic: s.topic, Partition: partition, Key: c.Key, Value: c.Value, Headers: headers}
	b, err := w.lock(ctx)
	if err != nil {
		return err
	}
	defer w.unlock()
	b.records = append(b.records, r)
	b.bytes += len(c.Key) + len(c.Value) + 64
	if c.Op == OpDelete {
		b.records = append(b.records, &kgo.Record{Topic: s.topic, Partition: partition, Key: c.Key, Headers: headers})
	}
	if c.Op == OpRead {
		b.rows[c.Stream]++
	}
	if whole && pos.Compare(b.touched[c.Stream]) > 0 {
		b.touched[c.Stream] = pos
	}
	return nil
}

// Mark implements Emitter.
func (w *writer) Mark(ctx context.Context, m Mark) error {
	b, err := w.lock(ctx)
	if err != nil {
		return err
	}
	defer w.unlock()
	if m.Snapshot != nil { // says nothing of the change stream
		b.begun[m.Snapshot.Stream] = m.Snapshot.Begun
		return nil
	}
	w.mark(b, m)
	return nil
}

func (w *writer) mark(b *batch, m Mark) {
	b.marked = true
	w.marked(m)
	if m.Resume != nil {
		b.mark.Resume, b.mark.Major = m.Resume, m.Major
	}
	if m.Watermark.After(b.mark.Watermark) {
		b.mark.Watermark = m.Watermark
	}
}

// settle writes, in one transaction, the streams' records as they are now, a mark and more, and
// waits for the commit.
func (w *writer) settle(ctx context.Context, streams []int, m *Mark, more ...*kgo.Record) error {
	if err := w.record(ctx, streams, m, more); err != nil {
		return err
	}
	return w.drain(ctx)
}

func (w *writer) record(ctx context.Context, streams []int, m *Mark, more []*kgo.Record) error {
	b, err := w.lock(ctx)
	if err != nil {
		return err
	}
	defer w.unlock()
	b.states = append(b.states, streams...)
	b.more = append(b.more, more...)
	if m != nil {
		w.mark(b, *m)
	}
	return nil
}

// lock gives the batch when it has room; the caller unlocks.
func (w *writer) lock(ctx context.Context) (*batch, error) {
	for {
		w.mu.Lock()
		if w.err != nil {
			defer w.mu.Unlock()
			return nil, w.err
		}
		if w.cur.bytes < batchBytes {
			return w.cur, nil
		}
		room := w.room
		w.mu.Unlock()
		select { // I8: the source waits while two batches are under way
		case <-room:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *writer) unlock() {
	w.mu.Unlock()
	select {
	case w.filled <- struct{}{}:
	default:
	}
}

// run commits batches until ctx ends or a transaction fails; the writer is of no use then.
func (w *writer) run(ctx context.Context) error {
	err := w.loop(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
	close(w.room)
	w.room = make(chan struct{})
	return err
}

func (w *writer) loop(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.filled:
		}
		b, err := w.take(ctx)
		if err != nil {
			return err
		}
		if b == nil {
			continue
		}
		if err := w.commit(ctx, b); err != nil {
			return fmt.Errorf("write to Kafka for %s: %w", w.conn.cfg.System.Name, err)
		}
		w.committed(b)
	}
}

// take waits a moment so that neighbours share a transaction, unless the batch is full.
func (w *writer) take(ctx context.Context) (*batch, error) {
	w.mu.Lock()
	wait := w.cur.bytes < batchBytes
	w.mu.Unlock()
	if wait {
		select {
		case <-time.After(linger):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.cur
	if b.empty() {
		return nil, nil // it stays the sources' own
	}
	w.cur = newBatch()
	w.taken++
	close(w.room)
	w.room = make(chan struct{})
	return b, nil
}

// commit writes a batch, then its positions and claims, and commits them together.
func (w *writer) commit(ctx context.Context, b *batch) error {
	w.beforeCommit()
	defer w.conn.cfg.Cluster.Transaction()()
	if err := w.cl.BeginTransaction(); err != nil {
		return err
	}
	if err := w.produce(ctx, b.records); err != nil {
		return errors.Join(err, w.abort())
	}
	// Claims need the offsets of the records that they cover, so they follow them (I4).
	if err := w.produce(ctx, w.conn.stateRecords(b, w.ends)); err != nil {
		return errors.Join(err, w.abort())
	}
	return w.cl.EndTransaction(ctx, kgo.TryCommit)
}

func (w *writer) produce(ctx context.Context, records []*kgo.Record) error {
	var first atomic.Pointer[error]
	for _, r := range records {
		w.cl.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err != nil {
				first.CompareAndSwap(nil, &err)
				return
			}
			w.ends.Wrote(r)
		})
	}
	if err := w.cl.Flush(ctx); err != nil {
		return err
	}
	if err := first.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *writer) abort() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	w.cl.AbortBufferedRecords(ctx)
	return w.cl.EndTransaction(ctx, kgo.TryAbort)
}

// committed makes what a transaction held visible to the source.
func (w *writer) committed(b *batch) {
	w.conn.committed(b)
	if b.mark.Resume != nil {
		resume := b.mark.Resume
		w.durable.Store(&resume) // I1: only now
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done++
	close(w.room)
	w.room = make(chan struct{})
}

// drain waits until everything handed over so far is committed.
func (w *writer) drain(ctx context.Context) error {
	w.mu.Lock()
	target := w.taken
	if !w.cur.empty() {
		target++
	}
	for w.done < target && w.err == nil {
		room := w.room
		w.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	return w.err
}

// lastMinor is behind every change of a source transaction.
const lastMinor = math.MaxUint64
