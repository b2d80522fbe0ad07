package crash

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// pause lies between two tries where a database or gateway does not answer.
const pause = 20 * time.Millisecond

// A Load writes rising values to keys, each key by one writer, and remembers them.
type Load struct {
	History *History
	Keys    []string
	// Write writes a value to a key's row and returns when its transaction is acknowledged. An
	// error means that the outcome is unknown.
	Write func(ctx context.Context, key string, value int64) error
	// Writers share the keys; 0: 1.
	Writers int
	// Every is the time between two writes of a writer; 0: none.
	Every time.Duration

	written, failed atomic.Int64
}

// Written is the number of acknowledged writes, and of those whose outcome is unknown.
func (l *Load) Written() (acknowledged, unknown int64) { return l.written.Load(), l.failed.Load() }

// Run writes until ctx ends, and then returns nil. It may be called again: values go on rising.
func (l *Load) Run(ctx context.Context) error {
	var group errgroup.Group
	first := l.History.highest() + 1
	writers := max(1, l.Writers)
	for w := range writers {
		group.Go(func() error {
			for value := first; ctx.Err() == nil; value++ {
				for i := w; i < len(l.Keys) && ctx.Err() == nil; i += writers {
					l.write(ctx, l.Keys[i], value)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (l *Load) write(ctx context.Context, key string, value int64) {
	l.History.Try(key, value)
	if err := l.Write(ctx, key, value); err != nil {
		l.failed.Add(1)
		wait(ctx, max(pause, l.Every))
		return
	}
	l.History.Acked(key, value, time.Now())
	l.written.Add(1)
	wait(ctx, l.Every)
}

// wait waits for a time or ctx's end.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
