package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/topics"
)

// Config says what the sink reads and where it writes.
type Config struct {
	Names topics.Names
	// Client makes a client of the mesh's Kafka; topics.Cluster.Client is one.
	Client func(...kgo.Opt) (*kgo.Client, error)
	// URL is ClickHouse's address: clickhouse://user:password@host:9000, or http://host:8123.
	URL string
	// Database holds the tables; it is made where it is missing. By default the mesh's name.
	Database string
	// Mask says which fields are pii: their values are not written (I11).
	Mask Mask
	// DeadLetter keeps a record that cannot be read, with the reason (I6).
	DeadLetter func(ctx context.Context, record *kgo.Record, reason error) error
	// Recorder gets the sink's own samples.
	Recorder *topics.Recorder
	// Linger is how long records are gathered into a block, 1 s by default; MaxRows is the most
	// rows of a block, 10,000 by default.
	Linger  time.Duration
	MaxRows int
	Log     zerolog.Logger
}

// EnsureDefaults fills what was left out.
func (c *Config) EnsureDefaults() {
	if c.Database == "" {
		c.Database = string(c.Names)
	}
	if c.Linger == 0 {
		c.Linger = time.Second
	}
	if c.MaxRows == 0 {
		c.MaxRows = 10_000
	}
}

// Validate names every fault.
func (c *Config) Validate() error {
	var faults []error
	if c.Names == "" || c.Client == nil || c.DeadLetter == nil || c.Recorder == nil {
		faults = append(faults, errors.New("Names, Client, DeadLetter and Recorder are required"))
	}
	if _, err := clickhouse.ParseDSN(c.URL); err != nil || c.URL == "" {
		faults = append(faults, ErrURL)
	}
	if c.Linger < 0 || c.MaxRows < 1 {
		faults = append(faults, errors.New("Linger and MaxRows are above zero"))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("analytics sink: %w", err)
	}
	return nil
}

// A Sink copies the telemetry, conflicts and changes topics to ClickHouse. Several processes may
// run one each: Kafka places the partitions.
type Sink struct {
	cfg    Config
	tables map[string]table
	cl     *kgo.Client
	conn   driver.Conn // nil until ClickHouse was reached; used by Run alone
	pause  *backoff.ExponentialBackOff

	mu      sync.Mutex // protects pending, which rebalances change
	pending map[partition]*pending
}

// New makes a sink; Run starts it.
func New(cfg Config) (*Sink, error) {
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 100*time.Millisecond, 5*time.Second
	return &Sink{cfg: cfg, tables: tablesOf(cfg.Names, cfg.Mask), pause: pause, pending: map[partition]*pending{}}, nil
}

// Group is the consumer group of a mesh's analytics sinks.
func Group(names topics.Names) string { return string(names) + ".sink.clickhouse" }

// Run copies until ctx ends. ClickHouse being down, or refusing, pauses it: records wait in Kafka
// and the sink goes on by itself (I7).
func (s *Sink) Run(ctx context.Context) error {
	names := s.topicNames()
	cl, err := s.cfg.Client(
		kgo.ConsumerGroup(Group(s.cfg.Names)),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.AdjustFetchOffsetsFn(s.resume),
		kgo.OnPartitionsRevoked(s.lose), kgo.OnPartitionsLost(s.lose), kgo.FetchMaxBytes(8<<20))
	if err != nil {
		return fmt.Errorf("analytics sink: %w", err)
	}
	s.cl = cl
	cl.AddConsumeTopics(names...) // only now: resume, which it leads to, uses s.cl
	defer func() {
		cl.CloseAllowingRebalance()
		if s.conn != nil {
			s.conn.Close()
		}
	}()
	var said topics.Said
	for ctx.Err() == nil {
		if err := s.poll(ctx); err != nil {
			s.cfg.Log.Warn().Err(err).Msg("analytics sink cannot read its topics")
		}
		err := s.flush(ctx)
		cl.AllowRebalance()
		if err == nil {
			s.pause.Reset()
			cl.ResumeFetchTopics(names...)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		// I8: nothing more is fetched while what is here cannot be written.
		cl.PauseFetchTopics(names...)
		wait := s.pause.NextBackOff()
		s.cfg.Log.WithLevel(said.Level(err, time.Now())).Err(err).Dur("retry_in", wait).Msg("analytics sink pauses; records wait in Kafka and the mesh goes on; if it stays, look at ClickHouse and at analytics.clickhouse in the manifest")
		sleep(ctx, wait)
	}
	return nil
}

func (s *Sink) topicNames() []string {
	names := make([]string, 0, len(s.tables))
	for topic := range s.tables {
		names = append(names, topic)
	}
	return names
}

// poll takes what has come, waiting no longer than the oldest block may linger.
func (s *Sink) poll(ctx context.Context) error {
	if wait, bounded := s.patience(time.Now()); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	fetches := s.cl.PollRecords(ctx, s.cfg.MaxRows)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var failed error
	fetches.EachPartition(func(f kgo.FetchTopicPartition) {
		if f.Err != nil && !errors.Is(f.Err, context.DeadlineExceeded) && !errors.Is(f.Err, context.Canceled) {
			failed = fmt.Errorf("partition %d of %s: %w", f.Partition, f.Topic, f.Err)
		}
		if len(f.Records) == 0 {
			return
		}
		p := s.at(partition{f.Topic, f.Partition})
		if len(p.records) == 0 {
			p.since = now
		}
		p.records, p.high = append(p.records, f.Records...), f.HighWatermark
	})
	return failed
}

// at gives a partition's records; the caller holds mu.
func (s *Sink) at(where partition) *pending {
	p := s.pending[where]
	if p == nil {
		p = &pending{}
		s.pending[where] = p
	}
	return p
}

// patience is how long the sink may wait for more records; without any it may wait for ever.
func (s *Sink) patience(now time.Time) (wait time.Duration, bounded bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait = s.cfg.Linger
	for _, p := range s.pending {
		if _, _, ready := p.next(now, 0, s.cfg.MaxRows); ready {
			wait, bounded = min(wait, max(s.cfg.Linger-now.Sub(p.since), time.Millisecond)), true
		}
	}
	return wait, bounded
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
