package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tributary/deploy/postgres/pgtest"
)

// TestWatermarkIsNeverEarly is I4: writers commit rows and read the source's clock behind each
// acknowledged COMMIT; every row acknowledged before T must have come before Mark(T).
func TestWatermarkIsNeverEarly(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY, pad text)`, "t=t")
	f.source.tuning.WatermarkEvery = 2 * time.Millisecond
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	const writers, least = 4, 15 // watermarks under load, or the test would show little
	var enough atomic.Bool
	acks := make([]map[string]time.Time, writers)
	var wg sync.WaitGroup
	for w := range writers {
		acks[w] = map[string]time.Time{}
		wg.Go(func() { f.write(w, acks[w], &enough) })
	}
	rec.until(t, "watermarks under load", func(ev []recorded) bool {
		marks := 0
		for _, e := range ev {
			if e.mark != nil && !e.mark.Watermark.IsZero() {
				marks++
			}
		}
		return marks >= least
	})
	enough.Store(true)
	wg.Wait()
	end := f.clock()
	rec.until(t, "a watermark behind the last commit", func(ev []recorded) bool {
		m := ev[len(ev)-1].mark
		return m != nil && m.Watermark.After(end)
	})
	came := map[string]bool{}
	var last time.Time
	for _, e := range rec.all() {
		if e.change != nil {
			came[fmt.Sprint(rec.decode(t, e.change.Key)["id"])] = true
			continue
		}
		at := e.mark.Watermark
		if at.IsZero() {
			continue
		}
		if at.Before(last) {
			t.Errorf("watermark %v comes behind %v", at, last)
		}
		last = at
		for w := range acks {
			for id, ack := range acks[w] {
				if ack.Before(at) && !came[id] {
					t.Fatalf("row %s was acknowledged at %v and had not come at watermark %v", id, ack, at)
				}
			}
		}
	}
}

// write commits rows on a connection of its own until it is enough; every other transaction is
// acknowledged before it is flushed.
func (f *fixture) write(w int, acks map[string]time.Time, enough *atomic.Bool) {
	conn, err := pgx.Connect(context.Background(), f.url)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for i := 0; !enough.Load(); i++ {
		id := w*1000000 + i
		_, err := conn.Exec(context.Background(), fmt.Sprintf("INSERT INTO t VALUES (%d, repeat('x', %d))", id, (i*37)%9000))
		if err == nil {
			_, err = conn.Exec(context.Background(), "SET synchronous_commit = "+[]string{"on", "off"}[i%2])
		}
		var ack time.Time
		if err == nil {
			err = conn.QueryRow(context.Background(), "SELECT clock_timestamp()").Scan(&ack)
		}
		if err != nil {
			f.t.Error(err)
			return
		}
		acks[fmt.Sprint(id)] = ack
	}
}

// clock reads the source's clock.
func (f *fixture) clock() (now time.Time) {
	f.t.Helper()
	if err := f.conn.QueryRow(context.Background(), "SELECT clock_timestamp()").Scan(&now); err != nil {
		f.t.Fatal(err)
	}
	return now
}

// TestIdleServerStillGetsWatermarks moves the end of the log to a page's begin, where the next
// record's place and the last one's end differ, and expects watermarks to go on.
func TestIdleServerStillGetsWatermarks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	rec := newRecorder()
	resume := f.first(rec)
	f.exec("SELECT pg_switch_wal()") // the next record begins behind a segment's long header
	f.stream(resume, rec)
	for range 3 {
		f.watermark(rec)
	}
}

// TestUnflushedLogStillGetsWatermarks leaves records of an open transaction at the end of the log
// again and again. Nobody commits, so the server itself would flush them after up to 15 s each.
func TestUnflushedLogStillGetsWatermarks(t *testing.T) {
	t.Parallel()
	srv := pgtest.Start(t) // nobody else commits
	f := fixtureOn(t, pgtest.Database(t, srv), `CREATE TABLE t (id int PRIMARY KEY)`, "t=t")
	f.source.tuning.WatermarkEvery = 20 * time.Millisecond
	rec := newRecorder()
	f.stream(f.first(rec), rec)
	open := f.another()
	if _, err := open.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range 12 {
		if _, err := open.Exec(t.Context(), fmt.Sprintf("INSERT INTO t VALUES (%d)", i)); err != nil {
			t.Fatal(err)
		}
		f.watermark(rec)
	}
	// Not a measure of speed: without our commits it is the server's 15 s that are waited for.
	if took := time.Since(began); took > patience {
		t.Errorf("twelve watermarks took %v", took)
	}
}

// watermark waits for a watermark behind the source's time of now.
func (f *fixture) watermark(rec *recorder) {
	f.t.Helper()
	now := f.clock()
	rec.until(f.t, fmt.Sprintf("a watermark behind %v", now), func(ev []recorded) bool {
		return slices.ContainsFunc(ev, func(e recorded) bool { return e.mark != nil && e.mark.Watermark.After(now) })
	})
}

func TestRecordEnd(t *testing.T) {
	t.Parallel()
	const page, segment = 8192, 16 << 20
	for lsn, want := range map[uint64]uint64{
		5*segment + 40:          5 * segment, // behind a long header
		5*segment + 24:          5*segment + 24,
		5*segment + page + 24:   5*segment + page, // behind a short one
		5*segment + page + 40:   5*segment + page + 40,
		5*segment + page:        5*segment + page,
		5*segment + 3*page + 96: 5*segment + 3*page + 96,
	} {
		if got := recordEnd(lsn, page, segment); got != want {
			t.Errorf("recordEnd(%#x) = %#x, want %#x", lsn, got, want)
		}
	}
}

func TestPendingReadingsCoalesce(t *testing.T) {
	t.Parallel()
	var p pendingReadings
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	for n := 1; n <= 100; n++ {
		p.add(reading{time: at(n), lsn: uint64(n)})
	}
	if len(p.list) != maxPending {
		t.Errorf("%d readings wait, want %d at most", len(p.list), maxPending)
	}
	if got := p.passed(0); !got.IsZero() {
		t.Errorf("at 0 the watermark is %v", got)
	}
	if got := p.passed(5); !got.Equal(at(5)) {
		t.Errorf("at 5 the watermark is %v", got)
	}
	if got := p.passed(99); !got.Equal(at(maxPending - 1)) {
		t.Errorf("at 99 the watermark is %v: one that was not reached, or too old", got)
	}
	if got := p.passed(100); !got.Equal(at(100)) || p.waiting() {
		t.Errorf("at 100 the watermark is %v", got)
	}
}
