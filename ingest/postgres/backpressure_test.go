package postgres

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tributary/ingest"
)

// TestBigTransactionInBoundedMemory streams 100,000 rows of one transaction into an emitter that
// keeps nothing (I8).
func TestBigTransactionInBoundedMemory(t *testing.T) {
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, body text)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	f.exec(`INSERT INTO t SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 100000) i`)
	drain := &drainEmitter{recorder: rec}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f.stream(resume, drain)
	rec.until(t, "100,000 changes", func([]recorded) bool { return drain.count.Load() == 100000 })
	if grown := int64(drain.peak.Load()) - int64(before.HeapAlloc); grown > 24<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// A drainEmitter counts changes and looks at the heap now and then.
type drainEmitter struct {
	*recorder
	count atomic.Int64
	peak  atomic.Uint64
}

func (d *drainEmitter) Change(context.Context, ingest.Change) error {
	if d.count.Add(1)%20000 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		d.peak.Store(max(d.peak.Load(), m.HeapAlloc))
	}
	return nil
}

// TestSlowEmitterKeepsTheConnection holds a change up for longer than the server waits for a
// sign of life. Without reports from a goroutine of their own the server ends the connection.
func TestSlowEmitterKeepsTheConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, pad text)`, "t=t")
	f.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET wal_sender_timeout = ''500ms''', current_database()); END $$`)
	f.source.tuning.StatusEvery = 50 * time.Millisecond
	slow := &slowEmitter{recorder: newRecorder(), hold: 1500 * time.Millisecond}
	resume := f.first(slow.recorder)
	f.stream(resume, slow)
	f.exec("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i")
	slow.until(t, "20,000 changes", func([]recorded) bool { return slow.count.Load() == 20000 })
}

// A slowEmitter holds its first change.
type slowEmitter struct {
	*recorder
	hold  time.Duration
	once  sync.Once
	count atomic.Int64
}

func (s *slowEmitter) Change(ctx context.Context, _ ingest.Change) error {
	s.once.Do(func() {
		select {
		case <-time.After(s.hold):
		case <-ctx.Done():
		}
	})
	s.count.Add(1)
	return nil
}
