package topics

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Poll polls for records until there are some, ctx ends, or something is sent on wake; in the
// last case what it gives may be empty.
func Poll(ctx context.Context, wake <-chan struct{}, poll func(context.Context, int) kgo.Fetches, max int) kgo.Fetches {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	woken := make(chan struct{})
	go func() {
		defer close(woken)
		select {
		case <-wake:
			cancel()
		case <-ctx.Done():
		}
	}()
	fetches := poll(ctx, max)
	cancel()
	<-woken
	return fetches
}
