package processors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/topics"
)

// ErrAborted is returned when Kafka did not commit a transaction: the group was rebalanced, or a
// newer member has fenced this one. Work goes on from what is committed.
var ErrAborted = errors.New("the transaction was aborted")

// An Output gathers what a transaction produces.
type Output struct {
	records []*kgo.Record
}

// Add produces a record to a partition; nil value is a tombstone.
func (o *Output) Add(topic string, partition int32, key, value []byte, headers ...kgo.RecordHeader) {
	o.records = append(o.records, &kgo.Record{Topic: topic, Partition: partition, Key: key, Value: value, Headers: headers})
}

// Len is the number of records gathered so far.
func (o *Output) Len() int { return len(o.records) }

// Since gives the records that were gathered since Len was n.
func (o *Output) Since(n int) []*kgo.Record { return o.records[n:] }

// transact applies what was polled, forwards watermarks and commits it all (I14).
func (s *session) transact(ctx context.Context, fetches kgo.Fetches) error {
	out := &Output{}
	counts, err := s.apply(ctx, fetches, out)
	if err != nil {
		return err
	}
	moved := map[*assignment]map[string]topics.Watermark{}
	for _, a := range s.assigned {
		if m := a.frontier.Advance(a.through); len(m) > 0 {
			if err := a.worker.Reached(ctx, m, out); err != nil {
				return err
			}
			moved[a] = m
		}
	}
	if err := s.carry(ctx, out); err != nil {
		return err
	}
	if len(counts) == 0 && len(moved) == 0 && len(out.records) == 0 {
		s.tell(counts)
		return nil
	}
	// A shutdown waits for a transaction that has begun.
	tctx, done := outliving(ctx, grace)
	defer done()
	if err := s.commit(tctx, out.records, moved); err != nil {
		return err
	}
	return s.committed(counts, moved)
}

// commit writes records, then the claims that cover them, and commits both with the input's
// offsets.
func (s *session) commit(ctx context.Context, records []*kgo.Record, moved map[*assignment]map[string]topics.Watermark) error {
	defer s.Cluster.Transaction()()
	if err := s.txn.Begin(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	err := s.produce(ctx, records)
	if err == nil && len(moved) > 0 {
		err = s.produce(ctx, s.claims(moved)) // they say behind which offsets the records are
	}
	if err != nil {
		_, abort := s.txn.End(ctx, kgo.TryAbort)
		return errors.Join(err, abort)
	}
	committed, err := s.txn.End(kgo.PreTxnCommitFnContext(ctx, s.fence), kgo.TryCommit)
	if err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if !committed {
		return ErrAborted
	}
	return nil
}

// fence lets a transaction commit the offsets of all partitions, those again of which it consumed
// nothing: the group refuses that to a zombie, and hands no partition on before the transaction
// has ended. Without it a zombie could write claims, tombstones and what operators asked for behind
// what its successor wrote (I13, I14).
func (s *session) fence(req *kmsg.TxnOffsetCommitRequest) error {
	at := 0
	for at < len(req.Topics) && req.Topics[at].Topic != s.Input {
		at++
	}
	if at == len(req.Topics) {
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic = s.Input
		req.Topics = append(req.Topics, t)
	}
	t := &req.Topics[at]
	there := map[int32]bool{}
	for _, p := range t.Partitions {
		there[p.Partition] = true
	}
	for partition, offset := range s.owned() {
		if s.assigned[partition] == nil || there[partition] {
			continue
		}
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.LeaderEpoch, p.Metadata = partition, offset.Offset, offset.Epoch, &req.MemberID
		t.Partitions = append(t.Partitions, p)
	}
	return nil
}

// outliving gives a context that ends grace after ctx.
func outliving(ctx context.Context, grace time.Duration) (context.Context, func()) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(grace, cancel) })
	return out, func() { stop(); cancel() }
}

const grace = 5 * time.Second

// A count is what a transaction took from one partition.
type count struct{ records, bytes int64 }

func (s *session) apply(ctx context.Context, fetches kgo.Fetches, out *Output) (map[*assignment]count, error) {
	counts := map[*assignment]count{}
	done := map[*assignment]bool{}
	var fault error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) == 0 || fault != nil {
			return
		}
		a := s.assigned[p.Partition]
		if a == nil { // its offsets must not be committed
			fault = fmt.Errorf("%s %s partition %d: records came before its worker was open", s.Name, s.Subject, p.Partition)
			return
		}
		done[a], a.end = true, p.LastStableOffset
		b := Batch{Records: p.Records[:0], Next: p.Records[len(p.Records)-1].Offset + 1, End: p.LastStableOffset}
		bytes := int64(0)
		for _, r := range p.Records {
			if !r.Attrs.IsControl() {
				b.Records = append(b.Records, r)
				bytes += int64(len(r.Key) + len(r.Value))
			}
		}
		if fault = s.applyTo(ctx, a, b, out); len(b.Records) > 0 {
			counts[a] = count{int64(len(b.Records)), bytes}
		}
	})
	for _, a := range s.assigned {
		if fault == nil && !done[a] && a.worker.Pending() {
			fault = s.applyTo(ctx, a, Batch{Next: -1}, out)
		}
	}
	return counts, fault
}

func (s *session) applyTo(ctx context.Context, a *assignment, b Batch, out *Output) error {
	through, err := a.worker.Apply(ctx, b, out)
	if err != nil {
		return fmt.Errorf("%s %s partition %d: %w", s.Name, s.Subject, a.partition, err)
	}
	if through >= 0 {
		a.through = through
	}
	return nil
}

// produce sends records and waits until Kafka has them: claims need their offsets, and a commit
// would take no notice of one that failed.
func (s *session) produce(ctx context.Context, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	var mu sync.Mutex
	var fault error
	for _, r := range records {
		s.txn.Produce(ctx, r, func(r *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				if fault == nil {
					fault = fmt.Errorf("produce to %s: %w", r.Topic, err)
				}
				return
			}
			for _, a := range s.assigned {
				a.ends.Wrote(r)
			}
		})
	}
	if err := s.txn.Client().Flush(ctx); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	return fault
}

// claims gives the claims that cover what has been produced (I4).
func (s *session) claims(moved map[*assignment]map[string]topics.Watermark) []*kgo.Record {
	var out []*kgo.Record
	for a, streams := range moved {
		for topic := range s.Claimed {
			ends := a.ends.Of(topic)
			if s.Own {
				ends = a.ends.Only(topic, a.partition)
			}
			for stream, w := range streams {
				key := topics.ClaimKey{Topic: topic, Stream: stream, Input: a.partition}
				out = append(out, &kgo.Record{Topic: s.Names.Claims(),
					Key:   topics.AppendClaimKey(s.Claims.Key(nil), key),
					Value: topics.AppendClaim(s.Claims.Value(nil), topics.Claim{Position: w.Position, Time: w.Time, Ends: ends})})
			}
		}
	}
	return out
}

func (s *session) committed(counts map[*assignment]count, moved map[*assignment]map[string]topics.Watermark) error {
	for _, a := range s.assigned {
		if err := a.worker.Committed(a.ends); err != nil {
			return fmt.Errorf("%s %s partition %d: %w", s.Name, s.Subject, a.partition, err)
		}
	}
	s.tell(counts)
	if s.Meter == nil {
		return nil
	}
	for a, streams := range moved {
		for stream, w := range streams {
			s.Meter.Reached(a.partition, stream, w.Time)
		}
	}
	return nil
}

// tell tells the meter what was taken, and how much of the input does not show yet: what a worker
// took without publishing it is lag as well.
func (s *session) tell(counts map[*assignment]count) {
	if s.Meter == nil {
		return
	}
	for _, a := range s.assigned {
		c, lag := counts[a], max(0, a.end-max(a.begin, a.through))
		if c.records > 0 || lag != a.lag {
			s.Meter.Processed(a.partition, c.records, c.bytes, lag)
			a.lag = lag
		}
	}
}
