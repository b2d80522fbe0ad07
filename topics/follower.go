package topics

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
)

// A Follower reads state.claims and hands each claim to the frontiers that were added to it.
// One a process is enough.
type Follower struct {
	topic string
	cl    *kgo.Client

	mu        sync.Mutex // protects what is below
	latest    map[ClaimKey]Claim
	frontiers map[*Frontier]func()
	next      int64
	caught    *sync.Cond // next moved
	err       error
}

// NewFollower makes a follower of the mesh's claims; Run reads them.
func NewFollower(c *Cluster, names Names) (*Follower, error) {
	cl, err := c.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{names.Claims(): {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	f := &Follower{topic: names.Claims(), cl: cl, latest: map[ClaimKey]Claim{}, frontiers: map[*Frontier]func(){}}
	f.caught = sync.NewCond(&f.mu)
	return f, nil
}

// Run reads claims until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	defer f.cl.Close()
	for {
		fetches := f.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			f.stop(ctx.Err())
			return ctx.Err()
		}
		if err := f.take(fetches); err != nil {
			f.stop(err)
			return err
		}
	}
}

func (f *Follower) stop(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
	f.caught.Broadcast()
}

func (f *Follower) take(fetches kgo.Fetches) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fault error
	wake := map[*Frontier]bool{}
	fetches.EachRecord(func(r *kgo.Record) {
		f.next = r.Offset + 1
		if r.Attrs.IsControl() || len(r.Value) == 0 {
			return
		}
		k, c, err := decodeClaimRecord(r)
		if err != nil {
			fault = fmt.Errorf("%s offset %d: %w", f.topic, r.Offset, err)
			return
		}
		f.latest[k] = c
		for fr := range f.frontiers {
			if fr.Claim(k, c) {
				wake[fr] = true
			}
		}
	})
	for fr := range wake {
		f.frontiers[fr]()
	}
	f.caught.Broadcast()
	return fault
}

func decodeClaimRecord(r *kgo.Record) (ClaimKey, Claim, error) {
	_, key, err := schemas.Unframe(r.Key)
	if err != nil {
		return ClaimKey{}, Claim{}, err
	}
	_, value, err := schemas.Unframe(r.Value)
	if err != nil {
		return ClaimKey{}, Claim{}, err
	}
	return DecodeClaim(key, value)
}

// Add seeds a frontier with the newest claims and hands it all later ones; wake is called
// after new ones, without blocking. Remove ends that.
func (f *Follower) Add(fr *Frontier, wake func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, c := range f.latest {
		fr.Claim(k, c)
	}
	f.frontiers[fr] = wake
}

// Remove forgets a frontier.
func (f *Follower) Remove(fr *Frontier) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.frontiers, fr)
}

// Latest is the newest claim of a key.
func (f *Follower) Latest(k ClaimKey) (Claim, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.latest[k]
	return c, ok
}

// Sync waits until the claims that are committed now have been read: claims come before data
// after a start or a reassignment (I4).
func (f *Follower) Sync(ctx context.Context) error {
	ends, err := kadm.NewClient(f.cl).ListCommittedOffsets(ctx, f.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end of %s: %w", f.topic, err)
	}
	end, _ := ends.Lookup(f.topic, 0)
	defer context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.caught.Broadcast()
	})()
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.next < end.Offset && ctx.Err() == nil && f.err == nil {
		f.caught.Wait()
	}
	if f.err != nil {
		return f.err
	}
	return ctx.Err()
}
