package node

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"tributary/topics"
)

// A letterCount counts a stream's dead letters.
type letterCount struct {
	open     int64
	unplaced int64 // those of them whose entity is unknown: they mark the whole view (I10)
}

// startLetterWatch follows the dead letters of normalize and their resolutions, which tell every
// process that serves how many are open. A letter and its resolution are written once each, in the
// transactions of normalize, so counting is enough and no letter need be remembered. They come
// straight from there, so they are known before the frontier that passes their row, which has
// resolve and the sink before it.
func (n *node) startLetterWatch(ctx context.Context, g *errgroup.Group) error {
	cl, err := n.cluster.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{n.names.DLQ(dlqNormalize): {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	current := map[string]uint32{}
	for _, r := range contributing(n.Mesh) {
		current[r.stream.ID()] = r.generation(n.generation)
	}
	g.Go(func() error {
		defer cl.Close()
		for {
			fetches := cl.PollFetches(ctx)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n.watch.takeLetters(fetches, current)
		}
	})
	return nil
}

// takeLetters counts letters of the current generations: those of earlier ones no longer matter.
func (w *watch) takeLetters(fetches kgo.Fetches, current map[string]uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	fetches.EachRecord(func(r *kgo.Record) {
		l, ok := topics.LetterFrom(r)
		if !ok || l.Generation != current[l.Who] {
			return
		}
		step := int64(1)
		switch {
		case l.Resolved != "":
			step = -1
		case l.Replays > 0:
			return // known already; it failed again
		}
		c := w.letters[l.Who]
		c.open += step
		if l.Unplaced {
			c.unplaced += step
		}
		w.letters[l.Who] = c
	})
	for _, sys := range w.mesh.Systems {
		w.changed(sys)
	}
}
