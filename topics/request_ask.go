package topics

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrNotTaken is returned by Ask when no process has taken the request in time. The request is
// kept: it is carried out once the process that owns its subject runs.
var ErrNotTaken = errors.New("no running process has taken the request yet; it is kept, and carried out once the one that owns its subject runs")

// Ask writes a request and waits until it has ended. progress, which may be nil, is told of each
// step. A request that nobody has taken within patience gives ErrNotTaken; one that failed is no
// error of Ask.
func Ask(ctx context.Context, c *Cluster, names Names, f Frame, r Request, patience time.Duration, progress func(Request)) (Request, error) {
	r.ID, r.State = strings.ToLower(rand.Text()[:12]), RequestAsked
	r.RequestedAt = time.Now().UnixMicro()
	ends, err := c.Ends(ctx, names.Requests())
	if err != nil {
		return r, err
	}
	cl, err := c.Client(kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{names.Requests(): {0: kgo.NewOffset().At(ends[0])}}))
	if err != nil {
		return r, err
	}
	defer cl.Close()
	if err := cl.ProduceSync(ctx, RequestRecord(names, f, &r)).FirstErr(); err != nil {
		return r, fmt.Errorf("ask for %s of %s: %w", r.Kind, r.Subject, err)
	}
	return await(ctx, cl, r, patience, progress)
}

// await follows a request to its end.
func await(ctx context.Context, cl *kgo.Client, r Request, patience time.Duration, progress func(Request)) (Request, error) {
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wait := late
	for {
		fetches := cl.PollFetches(wait)
		var fault error
		fetches.EachRecord(func(rec *kgo.Record) {
			got, err := DecodeRequest(rec.Value)
			if err != nil || got.ID != r.ID || r.Ended() {
				return // another's
			}
			if r = got; r.State != RequestAsked {
				wait = ctx // taken: it may last
				if progress != nil {
					progress(r)
				}
			}
		})
		if r.Ended() {
			return r, nil
		}
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if wait.Err() != nil {
			return r, ErrNotTaken
		}
		for _, e := range fetches.Errors() {
			fault = errors.Join(fault, e.Err)
		}
		if fault != nil && !errors.Is(fault, context.DeadlineExceeded) {
			return r, fmt.Errorf("wait for request %s: %w", r.ID, fault)
		}
	}
}
