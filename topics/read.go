package topics

import (
	"context"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ReadToEnd reads partitions of a topic from the given offsets to the ends that they have now,
// and calls fn for each committed data record, in order within a partition. It returns when all
// of them have been read, whatever offsets compaction and aborted transactions left out.
//
// The ends are the high watermarks, so it waits for transactions under way to end: a commit is
// acknowledged before readers see it, and another's open transaction hides what was committed
// behind it, one's own records included. A transaction whose producer is dead ends by its
// timeout, or when its successor fences it.
func (c *Cluster) ReadToEnd(ctx context.Context, topic string, from map[int32]int64, fn func(*kgo.Record) error) error {
	_, err := c.readToEnd(ctx, topic, from, kgo.ReadCommitted(), fn)
	return err
}

// ReadPartitionToEnd reads one partition likewise and gives the offset that it read to.
func (c *Cluster) ReadPartitionToEnd(ctx context.Context, topic string, partition int32, from int64, fn func(*kgo.Record) error) (int64, error) {
	ends, err := c.readToEnd(ctx, topic, map[int32]int64{partition: from}, kgo.ReadCommitted(), fn)
	return ends[partition], err
}

// ReadPartition reads one partition likewise from one offset up to, not including, another.
func (c *Cluster) ReadPartition(ctx context.Context, topic string, partition int32, from, to int64, fn func(*kgo.Record) error) error {
	_, err := c.read(ctx, topic, map[int32]int64{partition: from}, to, kgo.ReadCommitted(), fn)
	return err
}

func (c *Cluster) readToEnd(ctx context.Context, topic string, from map[int32]int64, level kgo.IsolationLevel, fn func(*kgo.Record) error) (map[int32]int64, error) {
	return c.read(ctx, topic, from, math.MaxInt64, level, fn)
}

// read reads up to the ends, or to limit where that comes before, and gives the ends.
func (c *Cluster) read(ctx context.Context, topic string, from map[int32]int64, limit int64, level kgo.IsolationLevel, fn func(*kgo.Record) error) (map[int32]int64, error) {
	cl, err := c.Client(kgo.FetchIsolationLevel(level), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := HighWatermarks(ctx, cl, topic)
	if err != nil {
		return nil, err
	}
	for p := range ends {
		ends[p] = min(ends[p], limit)
	}
	todo, err := unread(ctx, cl, topic, from, ends)
	if err != nil {
		return nil, err
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: todo})
	for len(todo) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetchError(ctx, fetches); err != nil {
			return nil, fmt.Errorf("read %s: %w", topic, err)
		}
		var fault error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				if r.Offset+1 >= ends[p.Partition] {
					delete(todo, p.Partition)
				}
				if fault == nil && !r.Attrs.IsControl() && r.Offset < ends[p.Partition] {
					fault = fn(r)
				}
			}
		})
		if fault != nil {
			return nil, fmt.Errorf("read %s: %w", topic, fault)
		}
	}
	return ends, nil
}

// unread gives where to read the partitions that have something between from and ends; those
// whose records have all been deleted have not.
func unread(ctx context.Context, cl *kgo.Client, topic string, from, ends map[int32]int64) (map[int32]kgo.Offset, error) {
	listed, err := kadm.NewClient(cl).ListStartOffsets(ctx, topic)
	starts, err := offsetsOf(listed, topic, err)
	if err != nil {
		return nil, err
	}
	todo := map[int32]kgo.Offset{}
	for p, at := range from {
		if at = max(at, starts[p]); at < ends[p] {
			todo[p] = kgo.NewOffset().At(at)
		}
	}
	return todo, nil
}

// fetchError is the first error of a poll that retrying will not mend.
func fetchError(ctx context.Context, fetches kgo.Fetches) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, e := range fetches.Errors() {
		return fmt.Errorf("partition %d: %w", e.Partition, e.Err)
	}
	return nil
}

// committedEnds gives the last stable offset of each partition of a topic.
func committedEnds(ctx context.Context, cl *kgo.Client, topic string) (map[int32]int64, error) {
	listed, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	return offsetsOf(listed, topic, err)
}

// Ends gives the end of each partition of a topic that a read_committed reader will come to.
func (c *Cluster) Ends(ctx context.Context, topic string) (map[int32]int64, error) {
	cl, err := c.Client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	return committedEnds(ctx, cl, topic)
}

// HighWatermarks gives the end of each partition of a topic, open transactions included.
func HighWatermarks(ctx context.Context, cl *kgo.Client, topic string) (map[int32]int64, error) {
	listed, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	return offsetsOf(listed, topic, err)
}

func offsetsOf(listed kadm.ListedOffsets, topic string, err error) (map[int32]int64, error) {
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of %s: %w", topic, err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out, nil
}
