package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionTimeout is how long a writer that died can hold up readers of the topic.
const transactionTimeout = 10 * time.Second

// ensureTopic makes the topic where it is missing and refuses one that would lose schemas.
func ensureTopic(ctx context.Context, brokers []kgo.Opt, o Options) error {
	client, err := kgo.NewClient(brokers...)
	if err != nil {
		return err
	}
	defer client.Close()
	adm := kadm.NewClient(client)
	compact := "compact"
	_, err = adm.CreateTopic(ctx, 1, o.Replication, map[string]*string{"cleanup.policy": &compact}, o.Topic)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("create topic %s: %w", o.Topic, err)
	}
	// A topic that another process made just now may not be known to each broker yet.
	_, err = backoff.Retry(ctx, func() (struct{}, error) {
		err := checkTopic(ctx, adm, o.Topic)
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(10*time.Second))
	return err
}

func checkTopic(ctx context.Context, adm *kadm.Client, topic string) error {
	found, err := adm.ListTopics(ctx, topic)
	if err == nil {
		err = found[topic].Err
	}
	if err != nil {
		return fmt.Errorf("describe topic %s: %w", topic, err)
	}
	if n := len(found[topic].Partitions); n != 1 {
		return fmt.Errorf("topic %s has %d partitions: a schema registry needs exactly 1, since its records have one order", topic, n)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return fmt.Errorf("describe configuration of topic %s: %w", topic, err)
	}
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key == "cleanup.policy" && c.Value != nil && *c.Value != "compact" {
				return fmt.Errorf("topic %s has cleanup.policy=%s: schemas would be lost; set it to compact", topic, *c.Value)
			}
		}
	}
	return nil
}

// A reader replays the topic into a Server's catalog.
type reader struct {
	client *kgo.Client
	log    zerolog.Logger
}

func newReader(opts []kgo.Opt, o Options) (*reader, error) {
	opts = append(opts[:len(opts):len(opts)],
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.Topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(500*time.Millisecond))
	client, err := kgo.NewClient(opts...)
	return &reader{client: client, log: o.Log}, err
}

// poll waits for records and hands them to apply, which is called once with all of them.
func (r *reader) poll(ctx context.Context, apply func([]*kgo.Record)) error {
	fetches := r.client.PollFetches(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	if fetches.IsClientClosed() {
		return kgo.ErrClientClosed
	}
	var failed error
	fetches.EachError(func(topic string, partition int32, err error) {
		if kerr.IsRetriable(err) || !errors.As(err, new(*kerr.Error)) {
			// The client goes on by itself; readers see what was known before (I7).
			r.log.Warn().Err(err).Str("topic", topic).Int32("partition", partition).Msg("schema registry: reading its topic is held up")
			return
		}
		failed = fmt.Errorf("read topic %s: %w", topic, err)
	})
	if failed != nil {
		return failed
	}
	apply(fetches.Records())
	return nil
}

// A writer appends to the topic in transactions under one transactional id, which all processes
// share: a new session fences the one before it. It is used by one goroutine at a time.
type writer struct {
	opts  []kgo.Opt
	topic string
	// client is nil while there is no session.
	client *kgo.Client
}

// open begins a session and gives the offset of its barrier: who has read that far has read
// everything that any earlier session has committed or will ever commit.
func (w *writer) open(ctx context.Context) (barrier int64, err error) {
	w.client, err = kgo.NewClient(append(w.opts[:len(w.opts):len(w.opts)],
		kgo.TransactionalID(w.topic+".writer"), kgo.TransactionTimeout(transactionTimeout),
		kgo.DefaultProduceTopic(w.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(4*maxBody))...)
	if err != nil {
		return 0, fmt.Errorf("open a writer: %w", err)
	}
	return w.append(ctx, barrierRecord())
}

// append commits the records in one transaction and gives the last one's offset. After an
// error the outcome may be unknown; the session is over, and the next one's barrier settles it.
func (w *writer) append(ctx context.Context, records ...*kgo.Record) (last int64, err error) {
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if err := w.client.BeginTransaction(); err != nil {
		return 0, fmt.Errorf("begin a transaction: %w", err)
	}
	if last, err = w.produce(ctx, records); err != nil {
		return 0, fmt.Errorf("append: %w", err)
	}
	if err := w.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return last, nil
}

// produce waits for the broker's answers, but no longer than ctx: the client itself holds on to
// a record that it may have sent already.
func (w *writer) produce(ctx context.Context, records []*kgo.Record) (last int64, err error) {
	type result struct {
		offset int64
		err    error
	}
	results := make(chan result, len(records)) // promises never wait
	for _, r := range records {
		w.client.Produce(ctx, r, func(r *kgo.Record, err error) { results <- result{r.Offset, err} })
	}
	for range records {
		select {
		case r := <-results:
			if r.err != nil {
				return 0, r.err
			}
			last = max(last, r.offset)
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return last, nil
}

func (w *writer) close() {
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}
