package clickhouse

import (
	"context"
	"time"
)

// newPoll gives a function that waits 20 ms the first time and up to 250 ms later, or until ctx
// ends, whose error it then returns.
func newPoll() func(context.Context) error {
	pause := 20 * time.Millisecond
	return func(ctx context.Context) error {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		pause = min(2*pause, 250*time.Millisecond)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		}
	}
}
