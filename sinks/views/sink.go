package views

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
	"tributary/topics"
)

// A Sink follows view topics into a store: rows, offsets and frontiers of a batch in one
// transaction, so that what is read is never older than what is claimed (I4).
type Sink struct {
	Store      Store
	Cluster    *topics.Cluster
	Follower   *topics.Follower
	Names      topics.Names
	Codecs     []*schemas.EntityCodec
	Generation func(entity string) uint32
	Partitions int32
	MaxOutage  time.Duration
	Log        zerolog.Logger
	// Applied is told of each batch that the store holds.
	Applied func(Applied)
	// Failed is told of each error that interrupts the sink.
	Failed func(error)
}

// Applied is what a batch brought to a partition of an entity's view.
type Applied struct {
	Entity    string
	Partition int32
	Rows      int
	Bytes     int64
	Lag       int64 // records that the topic has beyond it
	Next      int64 // offset below which all is applied
	Frontiers []Frontier
}

// A part is one partition of one entity's view topic.
type part struct {
	codec    *schemas.EntityCodec
	frontier *topics.Frontier
	next     int64
	// reached is what the store holds: a writer that has just begun claims less for a moment,
	// which takes nothing back.
	reached map[string]Frontier
}

// Run follows until ctx ends. An outage of the store or of Kafka pauses it (I7).
func (s *Sink) Run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, 5*time.Second
	var said topics.Said
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
		s.Log.WithLevel(said.Level(err, time.Now())).Err(err).Str("stage", "sink").Dur("retry_in", wait).Msg("view sink interrupted")
		s.Failed(err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *Sink) session(ctx context.Context) error {
	if err := s.Follower.Sync(ctx); err != nil { // claims before data (I4)
		return err
	}
	wake := make(chan struct{}, 1)
	parts := map[string][]*part{}
	from := map[string]map[int32]kgo.Offset{}
	defer func() {
		for _, ps := range parts {
			for _, p := range ps {
				s.Follower.Remove(p.frontier)
			}
		}
	}()
	for _, c := range s.Codecs {
		topic := s.Names.ViewOf(c.Entity.Name, s.Generation(c.Entity.Name))
		ps, err := s.open(ctx, c, topic, wake)
		if err != nil {
			return err
		}
		parts[topic], from[topic] = ps, map[int32]kgo.Offset{}
		for q, p := range ps {
			from[topic][int32(q)] = kgo.NewOffset().At(p.next)
		}
	}
	if len(parts) == 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	cl, err := s.Cluster.Client(kgo.ConsumePartitions(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(5*time.Second), kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(1<<20))
	if err != nil {
		return err
	}
	defer cl.Close()
	return s.follow(ctx, cl, parts, wake)
}

func (s *Sink) open(ctx context.Context, c *schemas.EntityCodec, topic string, wake chan struct{}) ([]*part, error) {
	progress, err := s.Store.Progress(ctx, c.Entity.Name)
	if err != nil {
		return nil, err
	}
	ps := make([]*part, s.Partitions)
	for q := range ps {
		inputs := map[string][]int32{}
		for _, stream := range c.Entity.Streams() {
			inputs[stream.ID()] = []int32{int32(q)}
		}
		ps[q] = &part{codec: c, frontier: topics.NewFrontier(topic, int32(q), inputs), reached: map[string]Frontier{}}
		for _, f := range ofPartition(progress.Frontiers, int32(q)) {
			ps[q].reached[f.Stream] = f
		}
		for _, o := range progress.Offsets {
			if o.Topic == topic && o.Partition == int32(q) {
				ps[q].next = o.Next
			}
		}
		s.Applied(Applied{Entity: c.Entity.Name, Partition: int32(q), Next: ps[q].next, Frontiers: ofPartition(progress.Frontiers, int32(q))})
		s.Follower.Add(ps[q].frontier, func() {
			select {
			case wake <- struct{}{}:
			default:
			}
		})
	}
	return ps, nil
}

// raise takes over a watermark that was reached.
func (p *part) raise(q int32, stream string, w topics.Watermark) Frontier {
	f := p.reached[stream]
	f.Partition, f.Stream = q, stream
	if t := time.UnixMicro(w.Time).UTC(); w.Time != 0 && t.After(f.Through) {
		f.Through = t
	}
	if w.Position.Compare(f.Position) > 0 {
		f.Position = w.Position
	}
	p.reached[stream] = f
	return f
}

func ofPartition(all []Frontier, q int32) (out []Frontier) {
	for _, f := range all {
		if f.Partition == q {
			out = append(out, f)
		}
	}
	return out
}

func (s *Sink) follow(ctx context.Context, cl *kgo.Client, parts map[string][]*part, wake chan struct{}) error {
	for {
		fetches := topics.Poll(ctx, wake, cl.PollRecords, maxPoll)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.Canceled) {
				return fmt.Errorf("read %s partition %d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		got := map[string][]kgo.FetchTopicPartition{}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { got[p.Topic] = append(got[p.Topic], p) })
		for topic, ps := range parts {
			if err := s.apply(ctx, topic, ps, got[topic]); err != nil {
				return err
			}
		}
	}
}

// apply brings what was fetched of one entity, and the frontiers that it or new claims moved,
// into the store.
func (s *Sink) apply(ctx context.Context, topic string, ps []*part, got []kgo.FetchTopicPartition) error {
	b := Batch{Entity: ps[0].codec.Entity, Forget: time.Now().Add(-s.MaxOutage)}
	notes := map[int32]*Applied{}
	for _, f := range got {
		if len(f.Records) == 0 {
			continue
		}
		p := ps[f.Partition]
		note := &Applied{Entity: b.Entity.Name, Partition: f.Partition}
		for _, r := range f.Records {
			if !r.Attrs.IsControl() {
				row, err := p.row(r)
				if err != nil {
					return fmt.Errorf("%s partition %d offset %d: %w", topic, r.Partition, r.Offset, err)
				}
				b.Rows = append(b.Rows, row)
				note.Rows++
				note.Bytes += int64(len(r.Key) + len(r.Value))
			}
		}
		p.next = f.Records[len(f.Records)-1].Offset + 1
		note.Lag = max(0, f.LastStableOffset-p.next)
		notes[f.Partition] = note
	}
	for q, p := range ps {
		for stream, w := range p.frontier.Advance(p.next) {
			b.Frontiers = append(b.Frontiers, p.raise(int32(q), stream, w))
			if notes[int32(q)] == nil {
				notes[int32(q)] = &Applied{Entity: b.Entity.Name, Partition: int32(q)}
			}
		}
	}
	if len(b.Rows) > 0 || len(b.Frontiers) > 0 {
		for q, p := range ps {
			b.Offsets = append(b.Offsets, Offset{Topic: topic, Partition: int32(q), Next: p.next})
		}
		if err := s.Store.Apply(ctx, b); err != nil {
			return fmt.Errorf("view %s: %w", b.Entity.Name, err)
		}
	}
	for q, note := range notes {
		note.Next, note.Frontiers = ps[q].next, ofPartition(b.Frontiers, q)
		s.Applied(*note)
	}
	return nil
}

// row takes a view record apart; its values point into the record.
func (p *part) row(r *kgo.Record) (Row, error) {
	_, key, err := schemas.Unframe(r.Key)
	if err != nil {
		return Row{}, err
	}
	id, err := schemas.DecodeViewKey(key)
	if err != nil {
		return Row{}, err
	}
	row := Row{ID: id, Partition: r.Partition}
	if r.Value == nil {
		m, err := schemas.DecodeVersion(topics.Header(r, topics.HeaderVersion))
		row.Deleted, row.Version = true, versionOf(m)
		return row, err
	}
	_, body, err := schemas.Unframe(r.Value)
	if err != nil {
		return Row{}, err
	}
	if row.Values, row.Meta, err = p.codec.SplitView(body, make([][]byte, 0, len(p.codec.Entity.Fields))); err != nil {
		return Row{}, err
	}
	m, err := schemas.DecodeMetaHead(row.Meta)
	if err != nil {
		return Row{}, err
	}
	row.Version = versionOf(m)
	row.Held, err = heldJSON(m.Held)
	return row, err
}

func versionOf(m schemas.Meta) Version {
	return Version{Generation: m.Generation, Partition: m.Partition, Offset: m.Offset, N: m.N}
}

func heldJSON(held []schemas.HeldRow) ([]byte, error) {
	if len(held) == 0 {
		return nil, nil
	}
	type row struct {
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	rows := make([]row, len(held))
	for i, h := range held {
		rows[i] = row{h.Stream, time.UnixMicro(h.Time).UTC()}
	}
	return json.Marshal(rows)
}

const maxPoll = 20000 // records a store transaction
