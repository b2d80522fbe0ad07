package processors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// arrival is the time between two looks for partitions that are being taken over.
const arrival = 20 * time.Millisecond

// An assignment is an input partition with its worker and frontier.
type assignment struct {
	partition int32
	worker    Worker
	frontier  *topics.Frontier
	ends      *topics.Ends
	through   int64 // everything before it shows in the outputs; 0: not known
	begin     int64 // where reading began
	end       int64 // of the partition, when it was read last
	lag       int64 // that the meter was told last
}

// adjust opens the workers of partitions that were assigned and starts them where they say. It
// runs beside the loop, so that long reads hold nothing up; adopt takes over what it opened. It
// is called again for the same partition where the group rebalanced meanwhile.
func (s *session) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	select {
	case <-s.made:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for p, offset := range offsets[s.Input] {
		a, at, err := s.open(ctx, p, max(0, offset.EpochOffset().Offset))
		if err != nil {
			return nil, err
		}
		// Never "at the start": kgo counts a partition as owned only where it has an offset.
		if offset.EpochOffset().Offset != at {
			offsets[s.Input][p] = kgo.NewOffset().At(at).WithEpoch(-1)
		}
		s.mu.Lock()
		if before := s.opened[p]; before != nil {
			s.drop(before)
		}
		s.opened[p] = a
		s.mu.Unlock()
	}
	s.rouse() // what waits for claims only must not wait for records
	return offsets, nil
}

// open makes the assignment of a partition whose group stands at committed, and says where to
// read on.
func (s *session) open(ctx context.Context, p int32, committed int64) (a *assignment, at int64, err error) {
	a = &assignment{partition: p, frontier: topics.NewFrontier(s.Input, p, s.Inputs)}
	// A predecessor's transaction has ended or is fenced: its offsets were awaited.
	if a.ends, err = topics.NewEnds(ctx, s.txn.Client(), s.Outputs); err != nil {
		return nil, 0, err
	}
	if a.worker, err = s.Open(ctx, p); err != nil {
		return nil, 0, fmt.Errorf("%s %s partition %d: %w", s.Name, s.Subject, p, err)
	}
	at, applied := a.worker.Begin()
	if at < 0 {
		at = committed
	}
	if a.begin = at; applied {
		a.through = at
	}
	// What a predecessor of this partition carried out is known before anything is carried out.
	if err := s.Requests.Sync(ctx); err != nil {
		return nil, 0, errors.Join(err, a.worker.Close())
	}
	s.Follower.Add(a.frontier, s.rouse)
	return a, at, nil
}

// gone notes that partitions were revoked or lost.
func (s *session) gone(context.Context, *kgo.Client, map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
}

func (s *session) drop(a *assignment) {
	s.Follower.Remove(a.frontier)
	if err := a.worker.Close(); err != nil {
		s.Log.Error().Err(err).Str("stage", s.Name).Str("subject", s.Subject).Int32("partition", a.partition).Msg("closing state failed")
	}
}

// reopen opens every worker anew and sets the input where it says.
func (s *session) reopen(ctx context.Context) error {
	at := map[int32]kgo.EpochOffset{}
	for p, committed := range s.owned() {
		if old := s.assigned[p]; old != nil {
			s.drop(old)
			delete(s.assigned, p)
		}
		a, next, err := s.open(ctx, p, committed.Offset)
		if err != nil {
			return err
		}
		s.assigned[p] = a
		if next != committed.Offset {
			at[p] = kgo.EpochOffset{Epoch: -1, Offset: next}
		}
	}
	s.txn.Client().SetOffsets(map[string]map[int32]kgo.EpochOffset{s.Input: at})
	s.rouse() // claims that have been reached must not wait for records
	return nil
}

// owned gives the partitions that are assigned, each with the offset that is committed as far as
// the client knows. The callbacks of the session cannot tell: it leaves out those that follow
// another without a transaction between them.
func (s *session) owned() map[int32]kgo.EpochOffset {
	return s.txn.Client().CommittedOffsets()[s.Input]
}

// adopt takes over what was opened and gives up what is no longer owned. It says whether
// partitions were taken away since it was called last.
func (s *session) adopt() (left bool) {
	owned := s.owned()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, a := range s.assigned {
		if _, ok := owned[p]; !ok || s.opened[p] != nil {
			s.drop(a)
			delete(s.assigned, p)
		}
	}
	for p, a := range s.opened {
		if _, ok := owned[p]; ok {
			s.assigned[p] = a
			delete(s.opened, p)
		}
	}
	if len(s.opened) > 0 { // the client takes them over at any moment, and does not say so
		time.AfterFunc(arrival, s.rouse)
	}
	left, s.left = s.left, false
	return left
}
