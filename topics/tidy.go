package topics

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	tidyEvery = time.Minute
	// checkpointAt and checkpointBytes are how many records a topic may have before it is
	// checkpointed, and how many bytes.
	checkpointAt    = 1 << 20
	checkpointBytes = 64 << 20
	// checkpointKeys bounds the keys of a topic that can be checkpointed (I8).
	checkpointKeys = 100_000
	gateTimeout    = 10 * time.Second
)

// A Tidy keeps an embedded broker small while it serves: topics that have few keys and many records
// are checkpointed, and records whose retention is over are deleted. The broker's own retention
// would also delete from compacted topics.
type Tidy struct {
	Broker  *Broker
	Cluster *Cluster
	// Checkpoint are topics of one partition that this process alone writes, all in transactions
	// that Cluster.Transaction guards.
	Checkpoint []string
	Retain     []Spec // those with cleanup.policy delete count
	Log        zerolog.Logger
}

// Run tidies until ctx ends.
func (t *Tidy) Run(ctx context.Context) error {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, topic := range t.Checkpoint {
			if !t.Broker.large(topic, 0) {
				continue
			}
			if err := t.checkpoint(ctx, topic); err != nil && ctx.Err() == nil {
				t.Log.Warn().Err(err).Str("topic", topic).Msg("not compacted this time")
			}
		}
		if err := t.retain(ctx, time.Now()); err != nil && ctx.Err() == nil {
			t.Log.Warn().Err(err).Msg("old records are not deleted this time")
		}
	}
}

// large says whether a partition has grown beyond the bounds of a checkpoint.
func (b *Broker) large(topic string, partition int32) bool {
	p := b.cluster.PartitionInfo(topic, partition)
	return p != nil && (p.HighWatermark-p.LogStartOffset > checkpointAt || p.NumBytes > checkpointBytes)
}

// checkpoint appends the newest record of each key again and deletes all in front of that. Most of
// the topic is read first; only for the rest are this process's transactions held back, so that
// nothing is written between the reading and the appending, and none is open. A crash in between
// leaves the newest records twice. A reader that stands further back finds all of them behind the
// topic's new start.
func (t *Tidy) checkpoint(ctx context.Context, topic string) error {
	newest := map[string]*kgo.Record{}
	take := func(r *kgo.Record) error {
		if newest[string(r.Key)] = r; r.Value == nil {
			delete(newest, string(r.Key))
		}
		if len(newest) > checkpointKeys {
			return fmt.Errorf("it has more than %d keys", checkpointKeys)
		}
		return nil
	}
	read, err := t.Cluster.ReadPartitionToEnd(ctx, topic, 0, 0, take)
	if err != nil {
		return err
	}
	open := t.Cluster.hold()
	defer open()
	ctx, cancel := context.WithTimeout(ctx, gateTimeout)
	defer cancel()
	p := t.Broker.cluster.PartitionInfo(topic, 0)
	if p == nil || p.LastStableOffset != p.HighWatermark {
		return errors.New("a transaction of a dead producer is open")
	}
	if _, err := t.Cluster.ReadPartitionToEnd(ctx, topic, 0, read, take); err != nil {
		return err
	}
	if err := t.again(ctx, newest); err != nil {
		return err
	}
	if err := t.Broker.cluster.DeleteRecords(topic, 0, p.HighWatermark); err != nil {
		return fmt.Errorf("delete in front of the checkpoint: %w", err)
	}
	t.Log.Info().Str("topic", topic).Int64("before", p.HighWatermark-p.LogStartOffset).Int("after", len(newest)).Msg("compacted")
	return nil
}

// again appends records as they are.
func (t *Tidy) again(ctx context.Context, newest map[string]*kgo.Record) error {
	cl, err := t.Cluster.Client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer cl.Close()
	var records []*kgo.Record
	for _, r := range newest {
		records = append(records, &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Headers: r.Headers})
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// retain deletes what is older than its topic keeps it.
func (t *Tidy) retain(ctx context.Context, now time.Time) error {
	cl, err := t.Cluster.Client()
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var faults []error
	for _, s := range t.Retain {
		ms, err := strconv.ParseInt(s.Config["retention.ms"], 10, 64)
		if s.Config["cleanup.policy"] != "delete" || err != nil {
			continue
		}
		// The first offset at or behind that time; the end where all is older.
		listed, err := adm.ListOffsetsAfterMilli(ctx, now.UnixMilli()-ms, s.Name)
		until, err := offsetsOf(listed, s.Name, err)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for p, offset := range until {
			if info := t.Broker.cluster.PartitionInfo(s.Name, p); info != nil && offset > info.LogStartOffset {
				faults = append(faults, t.Broker.cluster.DeleteRecords(s.Name, p, offset))
			}
		}
	}
	return errors.Join(faults...)
}
