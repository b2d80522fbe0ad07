package poll_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"tributary/internal/poll"
)

// failing is a test that fails: it keeps what Fatalf says and ends its goroutine.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestUntilAsksAgain(t *testing.T) {
	asked := 0
	poll.Within(t, time.Minute, "the third answer", func() bool { asked++; return asked == 3 })
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

func TestUntilFailsWithWhatWasSaid(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, done := &failing{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		poll.Until(ctx, f, "an answer", func() (string, bool) { cancel(); return "none yet", false })
	}()
	<-done
	if !strings.Contains(f.said, "an answer") || !strings.Contains(f.said, "none yet") {
		t.Errorf("the test fails with %q", f.said)
	}
}
