// Package poll lets tests wait for what gives no signal: they ask until it holds, within a bound.
package poll

import (
	"context"
	"testing"
	"time"
)

// It is asked soon at first, and more rarely the longer it takes.
const (
	soonest = 5 * time.Millisecond
	rarest  = 100 * time.Millisecond
)

// Until asks until holds says true. Where ctx ends before, the test fails and tells what was
// waited for and what holds last said. holds is called on the test's own goroutine.
func Until(ctx context.Context, t testing.TB, what string, holds func() (said string, ok bool)) {
	t.Helper()
	for pause := soonest; ; pause = min(2*pause, rarest) {
		said, ok := holds()
		if ok {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			t.Fatalf("not in time (%v): %s\n%s", ctx.Err(), what, said)
		case <-timer.C:
		}
	}
}

// Within is Until for at most a time, and for what has nothing to say but whether it holds.
func Within(t testing.TB, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	Until(ctx, t, what, func() (string, bool) { return "", holds() })
}
