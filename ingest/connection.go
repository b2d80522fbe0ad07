package ingest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/mesh"
	"tributary/topics"
)

// Config says what a runner needs to capture one system.
type Config struct {
	Names      topics.Names
	System     *mesh.System
	Partitions int32 // of the raw topics
	Cluster    *topics.Cluster
	Requests   *topics.Requests
	Registry   topics.Registrar
	State      StateFrames
	Open       Opener
	Dir        string // for scratch files
	Log        zerolog.Logger
	Meter      Meter
	// Owned, where set, is asked before a session fences its predecessor; an error says that the
	// connection is another process's by now.
	Owned    func(context.Context) error
	Observer Observer
}

// An Observer hears how the connection fares. Its methods do not block.
type Observer interface {
	// Connected says that the source has answered, and what it says of the streams.
	Connected(contracts []Contract)
	// Interrupted says in which error a session has ended; it is called for each one.
	Interrupted(err error)
}

// StateFrames are the frames of the state topics that ingest writes.
type StateFrames struct{ Positions, Claims topics.Frame }

// A Meter counts what a stage does; rows and bytes of a stream that were committed.
type Meter interface {
	Captured(stream string, records, bytes int64)
	Verified(stream string, sourceTimeMicros int64)
	Failed(stream string)
}

// A connection is what is known of a system while a session runs.
type connection struct {
	cfg     Config
	key     topics.PositionKey
	streams []*stream

	mu     sync.Mutex // protects what is below: the writer and its callers share it
	resume Resume
	major  topics.Major // of the last whole source transaction
	time   int64        // the newest watermark, µs; 0 unknown
	era    uint32
}

// A stream is one stream of a connection.
type stream struct {
	index    int
	decl     *mesh.Stream
	topic    string
	key      topics.PositionKey
	contract Contract
	ids      SchemaIDs
	// floor is what was written before the source began to stream: what it repeats up to there is
	// dropped.
	floor topics.Position
	// state is as committed, but for epoch and snapshot, which are as they are to be. The
	// connection's lock protects it; the epoch changes only while the source hands over nothing.
	state topics.PositionRecord
	// asked is the request that the running snapshot answers, and told when its progress was last
	// written; the connection's lock protects both.
	asked *topics.Request
	told  time.Time
}

func newConnection(cfg Config, saved map[topics.PositionKey]topics.PositionRecord) *connection {
	c := &connection{cfg: cfg, key: topics.PositionKey{System: cfg.System.Name}}
	own := saved[c.key]
	c.resume, c.major, c.era = own.Resume, own.Position.Major(), own.Era
	for i, decl := range cfg.System.Streams {
		key := topics.PositionKey{System: cfg.System.Name, Stream: decl.Name}
		c.streams = append(c.streams, &stream{index: i, decl: decl, key: key,
			topic: cfg.Names.Raw(cfg.System.Name, decl.Name), state: saved[key], floor: saved[key].Position})
	}
	return c
}

func (s *stream) position(major topics.Major, minor uint64) topics.Position {
	return topics.MakePosition(s.state.Epoch, s.state.Era, major, minor)
}

// register registers a contract; the stream's later changes carry its ids.
func (c *connection) register(ctx context.Context, con Contract) (SchemaIDs, error) {
	s := c.streams[con.Stream]
	f, err := topics.NewFrame(ctx, c.cfg.Registry, s.topic, con.KeySchema, con.ValueSchema)
	if err != nil {
		return SchemaIDs{}, fmt.Errorf("stream %s: %w", s.decl.ID(), err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.contract, s.ids = con, SchemaIDs{f.KeyID, f.ValueID}
	return s.ids, nil
}

// stateRecords gives the positions and claims that go with a batch: the position of each stream
// that it touches, the connection's own, and the claims that its mark allows.
func (c *connection) stateRecords(b *batch, ends *topics.Ends) []*kgo.Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := append([]*kgo.Record(nil), b.more...)
	add := func(s *stream) {
		rec := s.state
		if p := b.touched[s.index]; p.Compare(rec.Position) > 0 {
			rec.Position = p
		}
		rec.Rows += b.rows[s.index]
		if begun, ok := b.begun[s.index]; ok {
			rec.Detail = begun
		}
		out = append(out, c.positionRecord(s.key, rec))
		if s.asked != nil && time.Since(s.told) >= progressEvery && b.rows[s.index] > 0 {
			s.told = time.Now()
			out = append(out, c.cfg.Requests.Record(s.progress(rec.Rows)))
		}
	}
	seen := map[int]bool{}
	for _, i := range b.states {
		if !seen[i] {
			seen[i] = true
			add(c.streams[i])
		}
	}
	for _, s := range c.streams {
		_, touched := b.touched[s.index]
		if _, begun := b.begun[s.index]; (touched || begun) && !seen[s.index] {
			seen[s.index] = true
			add(s)
		}
	}
	major, time, resume := c.after(b)
	if b.mark.Resume != nil {
		out = append(out, c.positionRecord(c.key, topics.PositionRecord{
			Position: topics.MakePosition(0, c.era, major, lastMinor), Resume: resume, Era: c.era}))
	}
	if b.marked {
		for _, s := range c.streams {
			if b.mark.Watermark.IsZero() && !seen[s.index] {
				continue // idle streams get their claim with the next watermark
			}
			out = append(out, c.claimRecord(s, topics.Claim{Position: s.position(major, lastMinor), Time: time, Ends: ends.Of(s.topic)}))
		}
	}
	return out
}

// after gives the connection's marks as they are once b is committed.
func (c *connection) after(b *batch) (major topics.Major, time int64, resume Resume) {
	major, time, resume = c.major, c.time, c.resume
	if b.mark.Resume != nil {
		major, resume = b.mark.Major, b.mark.Resume
	}
	if !b.mark.Watermark.IsZero() {
		time = b.mark.Watermark.UnixMicro()
	}
	return major, time, resume
}

// committed takes over what a committed batch held.
func (c *connection) committed(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.major, c.time, c.resume = c.after(b)
	for i, p := range b.touched {
		s := c.streams[i]
		if p.Compare(s.state.Position) > 0 {
			s.state.Position = p
		}
	}
	for i, n := range b.rows {
		c.streams[i].state.Rows += n
	}
	for i, begun := range b.begun {
		c.streams[i].state.Detail = begun
	}
	c.meter(b)
}

func (c *connection) meter(b *batch) {
	if c.cfg.Meter == nil {
		return
	}
	type sum struct{ records, bytes int64 }
	sums := map[string]*sum{}
	for _, r := range b.records {
		if r.Value == nil {
			continue
		}
		s := sums[r.Topic]
		if s == nil {
			s = &sum{}
			sums[r.Topic] = s
		}
		s.records++
		s.bytes += int64(len(r.Key) + len(r.Value))
	}
	for _, s := range c.streams {
		if n := sums[s.topic]; n != nil {
			c.cfg.Meter.Captured(s.decl.ID(), n.records, n.bytes)
		}
		if !b.mark.Watermark.IsZero() {
			c.cfg.Meter.Verified(s.decl.ID(), b.mark.Watermark.UnixMicro())
		}
	}
}

func (c *connection) positionRecord(k topics.PositionKey, p topics.PositionRecord) *kgo.Record {
	f := c.cfg.State.Positions
	return &kgo.Record{Topic: c.cfg.Names.Positions(),
		Key: topics.AppendPositionKey(f.Key(nil), k), Value: topics.AppendPositionRecord(f.Value(nil), p)}
}

func (c *connection) claimRecord(s *stream, claim topics.Claim) *kgo.Record {
	f := c.cfg.State.Claims
	return &kgo.Record{Topic: c.cfg.Names.Claims(),
		Key:   topics.AppendClaimKey(f.Key(nil), topics.ClaimKey{Topic: s.topic, Stream: s.decl.ID()}),
		Value: topics.AppendClaim(f.Value(nil), claim)}
}
