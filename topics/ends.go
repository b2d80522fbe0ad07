package topics

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Ends knows, for the partitions of topics that a producer writes to, the offset behind its last
// own record: what goes into claims (I4). Promises of a producer update it, so it has a lock.
type Ends struct {
	mu   sync.Mutex
	ends map[string][]int64
}

// NewEnds starts from the high watermarks, open transactions included: what a predecessor wrote
// last is in front of them, whatever an old claim says (I4).
func NewEnds(ctx context.Context, cl *kgo.Client, topics map[string]int32) (*Ends, error) {
	e := &Ends{ends: map[string][]int64{}}
	for topic, n := range topics {
		marks, err := HighWatermarks(ctx, cl, topic)
		if err != nil {
			return nil, err
		}
		ends := make([]int64, n)
		for p := range ends {
			ends[p] = marks[int32(p)]
		}
		e.ends[topic] = ends
	}
	return e, nil
}

// Wrote notes a record that was produced. Topics that were not given to NewEnds are ignored.
func (e *Ends) Wrote(r *kgo.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ends, ok := e.ends[r.Topic]; ok && r.Offset >= ends[r.Partition] {
		ends[r.Partition] = r.Offset + 1
	}
}

// Of gives a copy of the ends of a topic.
func (e *Ends) Of(topic string) []int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int64(nil), e.ends[topic]...)
}

// Only gives ends of a topic that list one partition and −1 for the others.
func (e *Ends) Only(topic string, partition int32) []int64 {
	out := e.Of(topic)
	for p := range out {
		if int32(p) != partition {
			out[p] = -1
		}
	}
	return out
}
