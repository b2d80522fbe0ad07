package processors

import (
	"cmp"
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
	// Instance names the process in the group: one that is killed and starts again has its
	// partitions back at once.
	Instance string
	Input    string // topic
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
	MaxPoll  int // records a transaction takes; 0: 10,000, about 4 MiB (I14)
}

// A Meter counts what a stage does.
type Meter interface {
	// Processed says that records and bytes of an input partition were taken by a transaction, and
	// that its results show all but the last lag records of the partition.
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
	var said topics.Said
	for {
		began := time.Now()
		err := s.session(ctx)
		if ctx.Err() != nil {
			s.leave(context.WithoutCancel(ctx))
			return ctx.Err()
		}
		if time.Since(began) > time.Minute {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		s.Log.WithLevel(said.Level(err, time.Now())).Err(err).Str("stage", s.Name).Str("subject", s.Subject).Dur("retry_in", wait).Msg("stage interrupted")
		if s.Meter != nil {
			s.Meter.Failed()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			s.leave(context.WithoutCancel(ctx))
			return ctx.Err()
		}
	}
}

// leave lets the group hand the partitions to others at once; a named member's do not go with it.
func (s *Stage) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.Cluster.LeaveGroup(ctx, s.Group, s.Instance); err != nil { // the group will notice by itself
		s.Log.Debug().Err(err).Msg("leaving the group failed")
	}
}

// A session is one membership in the group. Its maps belong to the loop: partitions are taken
// over and given up between a poll and the transaction that follows it.
type session struct {
	*Stage
	txn      *kgo.GroupTransactSession
	made     chan struct{} // closed when txn is set: the group may assign before its maker returns
	wake     chan struct{}
	assigned map[int32]*assignment
	ended    map[string]bool // requests that were carried out, until the follower knows
	aborts   int             // one after another

	mu     sync.Mutex // protects what is below, which callbacks fill while the loop polls
	opened map[int32]*assignment
	left   bool // partitions were taken away since the last poll
}

func (s *Stage) session(ctx context.Context) (err error) {
	ss := &session{Stage: s, made: make(chan struct{}), wake: make(chan struct{}, 1), opened: map[int32]*assignment{}, assigned: map[int32]*assignment{}}
	if err := s.Follower.Sync(ctx); err != nil { // claims before data (I4)
		return err
	}
	defer s.Requests.Watch(ss.rouse)()
	ss.txn, err = kgo.NewGroupTransactSession(s.Cluster.Options(
		kgo.ConsumerGroup(s.Group), kgo.InstanceID(s.Instance), kgo.ConsumeTopics(s.Input), kgo.TransactionalID(s.TxnID),
		kgo.TransactionTimeout(10*time.Second),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(time.Second), kgo.RebalanceTimeout(time.Minute),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(5*time.Second),
		kgo.FetchMaxBytes(3<<20), kgo.FetchMaxPartitionBytes(1<<20),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.SnappyCompression(), kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(topics.MaxRecordBytes), kgo.MaxBufferedRecords(1<<20), kgo.MaxBufferedBytes(64<<20),
		kgo.AdjustFetchOffsetsFn(ss.adjust), kgo.OnPartitionsRevoked(ss.gone), kgo.OnPartitionsLost(ss.gone))...)
	if err != nil {
		return fmt.Errorf("%s %s: %w", s.Name, s.Subject, err)
	}
	defer ss.close()
	close(ss.made)
	// What a killed predecessor of the same name left open would hold up every reader of its
	// partitions; now it is aborted.
	if _, _, err := ss.txn.Client().ProducerID(ctx); err != nil {
		return fmt.Errorf("%s %s: fence the predecessor: %w", s.Name, s.Subject, err)
	}
	return ss.loop(ctx)
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

func (s *session) close() {
	s.txn.CloseAllowingRebalance()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range []map[int32]*assignment{s.opened, s.assigned} {
		for p, a := range m {
			s.drop(a)
			delete(m, p)
		}
	}
}

func (s *session) loop(ctx context.Context) error {
	most := cmp.Or(s.MaxPoll, 10_000)
	for {
		s.txn.AllowRebalance()
		if s.pending() {
			s.rouse()
		}
		fetches := topics.Poll(ctx, s.wake, s.txn.PollRecords, most)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			switch {
			case errors.Is(e.Err, context.Canceled), errors.Is(e.Err, context.DeadlineExceeded):
			case e.Topic == "":
				return fmt.Errorf("group %s: %w", s.Group, e.Err)
			default:
				return fmt.Errorf("read %s partition %d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		if s.adopt() {
			// The session would abort the next transaction, though none was under way. This makes
			// it forget, and goes back to what is committed: the fetches at hand come again.
			if _, err := s.txn.End(ctx, kgo.TryAbort); err != nil {
				return fmt.Errorf("go on after a rebalance: %w", err)
			}
			fetches = nil
		}
		if err := s.step(ctx, fetches); err != nil {
			return err
		}
	}
}

// step carries out one transaction; where Kafka does not commit it, everything in memory is made
// anew from what is committed (I14), without leaving the group.
func (s *session) step(ctx context.Context, fetches kgo.Fetches) error {
	err := s.transact(ctx, fetches)
	if !errors.Is(err, ErrAborted) {
		s.aborts = 0
		return err
	}
	if s.aborts++; s.aborts > maxAborts {
		return err
	}
	s.Log.Info().Str("stage", s.Name).Str("subject", s.Subject).Msg("a transaction was aborted by a rebalance; going on from what is committed")
	return s.reopen(ctx)
}

const maxAborts = 3 // one after another; then the session begins anew
