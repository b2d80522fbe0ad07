package topics

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Requests follows state.requests and hands those that have not ended to their owners. One a
// process is enough; its lock protects everything in it.
type Requests struct {
	names Names
	frame Frame
	owner string
	cl    *kgo.Client
	log   zerolog.Logger

	mu      sync.Mutex
	open    map[string]Request
	watches map[*func()]struct{}
	next    int64
	caught  *sync.Cond // next moved
	err     error
}

// NewRequests makes a follower of the mesh's requests; Run reads them. owner names the process.
func NewRequests(c *Cluster, names Names, frame Frame, owner string, log zerolog.Logger) (*Requests, error) {
	cl, err := c.Client(
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{names.Requests(): {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	q := &Requests{names: names, frame: frame, owner: owner, cl: cl, log: log, open: map[string]Request{}, watches: map[*func()]struct{}{}}
	q.caught = sync.NewCond(&q.mu)
	return q, nil
}

// Run reads requests until ctx ends.
func (q *Requests) Run(ctx context.Context) error {
	defer q.cl.Close()
	for {
		fetches := q.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.err = ctx.Err()
			q.caught.Broadcast()
			return ctx.Err()
		}
		q.take(fetches)
	}
}

func (q *Requests) take(fetches kgo.Fetches) {
	q.mu.Lock()
	defer q.mu.Unlock()
	fetches.EachRecord(func(r *kgo.Record) {
		q.next = r.Offset + 1
		if r.Attrs.IsControl() || len(r.Value) == 0 {
			return
		}
		req, err := DecodeRequest(r.Value)
		if err != nil {
			q.log.Error().Err(err).Str("topic", r.Topic).Int64("offset", r.Offset).Msg("a request cannot be read and is left out")
			return
		}
		q.open[req.ID] = req
		if req.Ended() {
			delete(q.open, req.ID)
		}
	})
	for wake := range q.watches {
		(*wake)()
	}
	q.caught.Broadcast()
}

// Open gives the requests that have not ended and that match, in the order of their asking.
func (q *Requests) Open(match func(*Request) bool) []Request {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []Request
	for _, r := range q.open {
		if match(&r) {
			out = append(out, r)
		}
	}
	return inOrder(slices.Values(out))
}

// Watch has wake called, which must not block, after requests came, until stop is called.
func (q *Requests) Watch(wake func()) (stop func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watches[&wake] = struct{}{}
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watches, &wake)
	}
}

// Record makes the record that says where a request stands now. It belongs into the transaction
// that holds the work.
func (q *Requests) Record(r Request) *kgo.Record {
	r.Owner = q.owner
	return RequestRecord(q.names, q.frame, &r)
}

// Sync waits until what is committed now has been read: an owner that begins must know what its
// predecessor has ended.
func (q *Requests) Sync(ctx context.Context) error {
	topic := q.names.Requests()
	ends, err := kadm.NewClient(q.cl).ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end of %s: %w", topic, err)
	}
	end, _ := ends.Lookup(topic, 0)
	defer context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.caught.Broadcast()
	})()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.next < end.Offset && ctx.Err() == nil && q.err == nil {
		q.caught.Wait()
	}
	if q.err != nil {
		return q.err
	}
	return ctx.Err()
}
