package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	clickhouse "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"tributary/topics"
)

// flush writes every block that is due. The error is of the first that could not be written; its
// records stay, with their plan, and the others go on (I7).
func (s *Sink) flush(ctx context.Context) error {
	var failed error
	for _, where := range s.partitions() {
		for {
			more, err := s.flushPartition(ctx, where)
			if err != nil && failed == nil {
				failed = fmt.Errorf("partition %d of %s: %w", where.number, where.topic, err)
			}
			if err != nil || !more {
				break
			}
		}
	}
	return failed
}

func (s *Sink) partitions() []partition {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]partition, 0, len(s.pending))
	for where := range s.pending {
		out = append(out, where)
	}
	return out
}

// flushPartition writes one block, if one is due.
func (s *Sink) flushPartition(ctx context.Context, where partition) (more bool, err error) {
	s.mu.Lock()
	p := s.at(where)
	block, records, due := p.next(time.Now(), s.cfg.Linger, s.cfg.MaxRows)
	s.mu.Unlock()
	if due {
		err = s.write(ctx, where, p, block, records)
	}
	s.report(where, p, err)
	return due && err == nil, err
}

// write plans, inserts and commits a block, in this order.
func (s *Sink) write(ctx context.Context, where partition, p *pending, block plan, records []*kgo.Record) error {
	if p.open == nil || !p.planned {
		if err := s.commit(ctx, where, block.Start, block.metadata()); err != nil {
			return fmt.Errorf("plan a block: %w", err)
		}
		p.open, p.planned = &block, true
	}
	if err := s.insert(ctx, where, p, block, records); err != nil {
		return brief(err)
	}
	if err := s.commit(ctx, where, block.End, ""); err != nil {
		return fmt.Errorf("commit a block: %w", err)
	}
	s.count(where, records)
	p.done(block, time.Now())
	return nil
}

// insert writes a block under its token. A record that cannot be read goes to the dead letters
// (I6), and is left out each time the block is repeated, so that the block stays the same.
func (s *Sink) insert(ctx context.Context, where partition, p *pending, block plan, records []*kgo.Record) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	table := s.tables[where.topic]
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"insert_deduplication_token": block.token(where), "insert_deduplicate": 1, "async_insert": 0,
		"deduplicate_blocks_in_dependent_materialized_views": 1,
	}))
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+table.name+" ("+table.columns+")")
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table.name, err)
	}
	defer batch.Close()
	for _, r := range records {
		row, err := table.row(r)
		if err != nil {
			if err := s.bury(ctx, where, p, r, err); err != nil {
				return err
			}
			continue
		}
		if err := batch.Append(row...); err != nil {
			return fmt.Errorf("insert into %s: offset %d: %w", table.name, r.Offset, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert into %s: %w", table.name, err)
	}
	return nil
}

// bury gives a record to the dead letters, once however often its block is repeated.
func (s *Sink) bury(ctx context.Context, where partition, p *pending, r *kgo.Record, reason error) error {
	if r.Offset < p.buried {
		return nil
	}
	if err := s.cfg.DeadLetter(ctx, r, reason); err != nil {
		return fmt.Errorf("dead letter for offset %d: %w", r.Offset, err)
	}
	p.buried = r.Offset + 1
	s.series(where).Error()
	return nil
}

// brief leaves the request's address out of an error: it holds every setting, and a user's name.
func brief(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return fmt.Errorf("ClickHouse does not answer: %w", request.Err)
	}
	return err
}

// connect reaches ClickHouse and brings its tables up to date, once.
func (s *Sink) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	conn, err := Open(ctx, s.cfg.URL, s.cfg.Database)
	if err != nil {
		return err
	}
	if err := Migrate(ctx, conn); err != nil {
		conn.Close()
		return err
	}
	s.conn = conn
	return nil
}

// commit sets the group's offset of a partition with a text.
func (s *Sink) commit(ctx context.Context, where partition, offset int64, metadata string) error {
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for i := range req.Topics {
			for j := range req.Topics[i].Partitions {
				req.Topics[i].Partitions[j].Metadata = &metadata
			}
		}
		return nil
	})
	var failed error
	s.cl.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{where.topic: {where.number: {Epoch: -1, Offset: offset}}},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			failed = err
			if resp == nil {
				return
			}
			for _, t := range resp.Topics {
				for _, p := range t.Partitions {
					if failed == nil {
						failed = kerr.ErrorForCode(p.ErrorCode)
					}
				}
			}
		})
	return failed
}

// resume reads the open plans of newly assigned partitions.
func (s *Sink) resume(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	names := make([]string, 0, len(offsets))
	for topic := range offsets {
		names = append(names, topic)
	}
	committed, err := kadm.NewClient(s.cl).FetchOffsetsForTopics(ctx, Group(s.cfg.Names), names...)
	if err != nil {
		return nil, fmt.Errorf("read the plans of the analytics sink: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range offsets {
		for number := range numbers {
			p := &pending{}
			if o, ok := committed.Lookup(topic, number); ok && o.Err == nil {
				if open, ok := planFrom(o.At, o.Metadata); ok {
					p.open = &open
				}
			}
			s.pending[partition{topic, number}] = p
		}
	}
	return offsets, nil
}

// lose forgets partitions that another member goes on with.
func (s *Sink) lose(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range lost {
		for _, number := range numbers {
			delete(s.pending, partition{topic, number})
			s.cfg.Recorder.Drop(s.key(partition{topic, number}))
		}
	}
}

func (s *Sink) key(where partition) topics.SeriesKey {
	return topics.SeriesKey{Stage: topics.StageSink, System: "clickhouse", Stream: "clickhouse." + s.tables[where.topic].name, Partition: where.number}
}

func (s *Sink) series(where partition) *topics.Series { return s.cfg.Recorder.Series(s.key(where)) }

// count counts what was written; samples are not counted, or each would cause the next.
func (s *Sink) count(where partition, records []*kgo.Record) {
	if where.topic == s.cfg.Names.Telemetry() {
		return
	}
	var bytes int64
	for _, r := range records {
		bytes += int64(len(r.Key) + len(r.Value))
	}
	s.series(where).Add(int64(len(records)), bytes)
}

// report sets the lag of a partition.
func (s *Sink) report(where partition, p *pending, err error) {
	if err != nil {
		s.series(where).Error()
	}
	if where.topic != s.cfg.Names.Telemetry() {
		s.series(where).SetLag(p.behind(time.Now()))
	}
}
