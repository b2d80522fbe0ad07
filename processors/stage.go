package processors

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// A Worker does a stage's work for one input partition. A session calls its methods one after
// another; it is closed and opened anew after a transaction that failed.
type Worker interface {
	// Begin gives the input offset to start at; −1 means the group's. applied says that the
	// results of everything in front of it are committed.
	Begin() (at int64, applied bool)
	// Apply takes what was polled of the partition. It gives the offset below which everything is
	// applied and its results are in out, or −1 while that cannot be said.
	Apply(ctx context.Context, b Batch, out *Output) (through int64, err error)
	// Pending says that Apply has more to do although nothing is polled.
	Pending() bool
	// Reached says that the frontier of streams has moved; a claim follows in the same transaction.
	Reached(ctx context.Context, moved map[string]topics.Watermark, out *Output) error
	// Committed says that the transaction with all of out has committed; ends are behind what
	// was written.
	Committed(ends *topics.Ends) error
	Close() error
}

// A Batch is what was polled of one partition.
type Batch struct {
	Records []*kgo.Record // without control records; may be empty
	Next    int64         // offset behind what was polled; −1: nothing was
	End     int64         // the partition's last stable offset
}

// A Stage consumes one topic.
type Stage struct {
	Name    string // normalize or resolve
	Subject string // the stream or entity
	Group   string
	TxnID   string
	Input   string // topic
	// Inputs gives the streams whose claims on the input a partition follows, each with the
	// inputs that must list it (I4).
	Inputs map[string][]int32
	// Outputs are the topics whose ends workers need, with their partitions; Claimed those of
	// them that watermarks are forwarded to. Own says that input partition q writes to their
	// partition q only.
	Outputs map[string]int32
	Claimed map[string]int32
	Own     bool
	Open    func(ctx context.Context, partition int32) (Worker, error)

	Cluster  *topics.Cluster
	Follower *topics.Follower
	Requests *topics.Requests
	Names    topics.Names
	Claims   topics.Frame
	Log      zerolog.Logger
	Meter    Meter
}

// A Meter counts what a stage does.
type Meter interface {
	// Processed says that records and bytes of an input partition went through a transaction
	// that ends lag records before the partition's end.
	Processed(partition int32, records, bytes, lag int64)
	// Reached says how far a stream's frontier has come in a partition, µs.
	Reached(partition int32, stream string, sourceTimeMicros int64)
	// Failed says that a session ended in an error.
	Failed()
}

// Run works until ctx ends; a session that fails is followed by another (I7).
func (s *Stage) Run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	for {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		s.Log.Warn().Err(err).Str("stage", s.Name).Str("subject", s.Subject).Dur("retry_in", wait).Msg("stage interrupted")
		if s.Meter != nil {
			s.Meter.Failed()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A session is one membership in the group. Its maps belong to the loop: rebalances are blocked
// while the loop is not polling.
type session struct {
	*Stage
	txn      *kgo.GroupTransactSession
	wake     chan struct{}
	mu       sync.Mutex // protects arrived and left, which callbacks fill while the loop polls
	arrived  map[int32]*assignment
	assigned map[int32]*assignment
	ended    map[string]bool // requests that were carried out, until the follower knows
}

// An assignment is an input partition with its worker and frontier.
type assignment struct {
	partition int32
	worker    Worker
	frontier  *topics.Frontier
	ends      *topics.Ends
	through   int64
}

func (s *Stage) session(ctx context.Context) (err error) {
	ss := &session{Stage: s, wake: make(chan struct{}, 1), arrived: map[int32]*assignment{}, assigned: map[int32]*assignment{}}
	if err := s.Follower.Sync(ctx); err != nil { // claims before data (I4)
		return err
	}
	defer s.Requests.Watch(ss.rouse)()
	ss.txn, err = kgo.NewGroupTransactSession(s.Cluster.Options(
		kgo.ConsumerGroup(s.Group), kgo.ConsumeTopics(s.Input), kgo.TransactionalID(s.TxnID),
		kgo.TransactionTimeout(10*time.Second),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(time.Minute),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(5*time.Second),
		kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(topics.MaxRecordBytes), kgo.MaxBufferedRecords(1<<20), kgo.MaxBufferedBytes(64<<20),
		kgo.AdjustFetchOffsetsFn(ss.adjust), kgo.OnPartitionsRevoked(ss.gone), kgo.OnPartitionsLost(ss.gone))...)
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.Name, s.Subject, err)
	}
	defer func() { err = errors.Join(err, ss.close()) }()
	return ss.loop(ctx)
}

// adjust opens the workers of partitions that were assigned and starts them where they say.
func (s *session) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	for topic, partitions := range offsets {
		for p, offset := range partitions {
			a, err := s.open(ctx, p)
			if err != nil {
				return nil, err
			}
			at, applied := a.worker.Begin()
			if at >= 0 {
				offsets[topic][p] = kgo.NewOffset().At(at).WithEpoch(-1)
			} else {
				at = max(0, offset.EpochOffset().Offset)
			}
			if applied {
				a.through = at
			}
			s.mu.Lock()
			s.arrived[p] = a
			s.mu.Unlock()
		}
	}
	return offsets, nil
}

func (s *session) open(ctx context.Context, p int32) (*assignment, error) {
	a := &assignment{partition: p, frontier: topics.NewFrontier(s.Input, p, s.Inputs)}
	var err error
	if a.ends, err = topics.NewEnds(ctx, s.txn.Client(), s.Outputs); err != nil {
		return nil, err
	}
	if a.worker, err = s.Open(ctx, p); err != nil {
		return nil, fmt.Errorf("%s %s partition %d: %w", s.Name, s.Subject, p, err)
	}
	// What a predecessor of this partition carried out is known before anything is carried out.
	if err := s.Requests.Sync(ctx); err != nil {
		return nil, errors.Join(err, a.worker.Close())
	}
	s.Follower.Add(a.frontier, s.rouse)
	return a, nil
}

// rouse ends the poll under way, or the next one.
func (s *session) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *session) pending() bool {
	for _, a := range s.assigned {
		if a.worker.Pending() {
			return true
		}
	}
	return false
}

// gone closes the workers of partitions that were revoked or lost.
func (s *session) gone(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, partitions := range lost {
		for _, p := range partitions {
			for _, m := range []map[int32]*assignment{s.arrived, s.assigned} {
				if a := m[p]; a != nil {
					s.drop(a)
					delete(m, p)
				}
			}
		}
	}
}

func (s *session) drop(a *assignment) {
	s.Follower.Remove(a.frontier)
	if err := a.worker.Close(); err != nil {
		s.Log.Error().Err(err).Str("stage", s.Name).Str("subject", s.Subject).Int32("partition", a.partition).Msg("closing state failed")
	}
}

func (s *session) close() error {
	s.txn.CloseAllowingRebalance()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range []map[int32]*assignment{s.arrived, s.assigned} {
		for p, a := range m {
			s.drop(a)
			delete(m, p)
		}
	}
	return nil
}

func (s *session) loop(ctx context.Context) error {
	for {
		s.txn.AllowRebalance()
		if s.pending() {
			s.rouse()
		}
		fetches := topics.Poll(ctx, s.wake, s.txn.PollRecords, maxPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.Canceled) && !errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("read %s partition %d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		s.adopt()
		if err := s.transact(ctx, fetches); err != nil {
			return err
		}
	}
}

// adopt takes over the partitions that arrived while the loop was polling.
func (s *session) adopt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, a := range s.arrived {
		s.assigned[p] = a
		delete(s.arrived, p)
	}
}

const maxPoll = 10000 // records a transaction, about 4 MiB (I14)
