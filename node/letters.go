package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors/normalize"
	"tributary/schemas"
	"tributary/topics"
)

// A Letter is a dead letter and how it stands.
type Letter struct {
	ID        string    `json:"id"`
	Stage     string    `json:"stage"`
	Stream    string    `json:"stream"`
	Entity    string    `json:"entity,omitempty"`
	Block     string    `json:"block,omitempty"`
	Reason    string    `json:"reason"`
	SourceKey string    `json:"sourceKey,omitempty"`
	Topic     string    `json:"topic"`
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	Position  string    `json:"position"`
	Replays   int       `json:"replays"`
	Unplaced  bool      `json:"unplaced,omitempty"`
	State     string    `json:"state"` // open or resolved
	How       string    `json:"resolution,omitempty"`
	At        time.Time `json:"at"`

	letter topics.Letter
}

// Open says whether it still waits.
func (l *Letter) Open() bool { return l.State == letterOpen }

const (
	letterOpen     = "open"
	letterResolved = "resolved"
)

// dlqStages are the stages that write dead letters.
func dlqStages() []string { return []string{"ingest", dlqNormalize, "resolve", dlqSink} }

const dlqNormalize = "normalize"

// Letters reads the dead letters of all stages, oldest first. values says to keep the records
// themselves, too.
func (o *Operator) Letters(ctx context.Context, values bool) ([]Letter, error) {
	current, err := o.generations(ctx)
	if err != nil {
		return nil, err
	}
	var out []Letter
	for _, stage := range dlqStages() {
		index := map[string]int{}
		topic := o.names.DLQ(stage)
		err := o.cluster.ReadToEnd(ctx, topic, map[int32]int64{0: 0}, func(r *kgo.Record) error {
			l, ok := topics.LetterFrom(r)
			if !ok {
				return nil
			}
			i, known := index[l.ID]
			switch {
			case l.Resolved != "" && known:
				out[i].State, out[i].How = letterResolved, string(l.Resolved)
			case l.Resolved == "":
				if !values {
					l.Value = nil
				}
				l.Key = slices.Clone(l.Key) // the fetch that it came in is given up
				if !known {
					i = len(out)
					index[l.ID] = i
					out = append(out, Letter{})
				}
				out[i] = o.letter(ctx, stage, l, current)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (o *Operator) letter(ctx context.Context, stage string, l topics.Letter, current map[string]uint32) Letter {
	out := Letter{ID: l.ID, Stage: stage, Stream: l.Who, Entity: l.Entity, Block: l.Block, Reason: l.Reason, Topic: l.Topic,
		Partition: l.Partition, Offset: l.Offset, Position: l.Position.String(), Replays: l.Replays, Unplaced: l.Unplaced,
		State: letterOpen, At: l.At, letter: l}
	if stage == dlqNormalize {
		out.SourceKey = o.sourceKey(ctx, l.Key)
		if l.Generation < current[l.Who] {
			out.State, out.How = letterResolved, string(topics.LetterRebuilt)
		}
	}
	return out
}

// sourceKey renders a raw key, "" where it cannot be read.
func (o *Operator) sourceKey(ctx context.Context, framed []byte) string {
	id, body, err := schemas.Unframe(framed)
	if err != nil {
		return ""
	}
	reader := o.keys[id]
	if reader == nil {
		text, err := o.registry.Schema(ctx, id)
		if err != nil {
			return ""
		}
		if reader, err = normalize.CompileKey(text); err != nil {
			return ""
		}
		o.keys[id] = reader
	}
	key, err := reader.SourceKey(body)
	if err != nil {
		return ""
	}
	return key
}

// generations gives the generation that each stream is normalized in.
func (o *Operator) generations(ctx context.Context) (map[string]uint32, error) {
	saved, err := topics.ReadPositions(ctx, o.cluster, o.names)
	if err != nil {
		return nil, err
	}
	of := map[string]uint32{}
	for _, e := range o.mesh.Entities {
		rec, _, err := decodeEntityRecord(saved, topics.PositionKey{System: entitySystem, Stream: e.Name})
		if err != nil {
			return nil, fmt.Errorf("generation of %s: %w", e.Name, err)
		}
		of[e.Name] = max(1, rec.Generation)
	}
	out := map[string]uint32{}
	for _, r := range contributing(o.mesh) {
		out[r.stream.ID()] = r.generation(func(entity string) uint32 { return of[entity] })
	}
	return out, nil
}

// A LettersOutcome is what became of a request about dead letters.
type LettersOutcome struct {
	Ended  int    `json:"ended"`
	Failed int    `json:"failed"`
	Before int    `json:"before"` // had been resolved before
	Reason string `json:"reason,omitempty"`
}

// batchLetters bounds the letters of one request; the owner of a partition reads it once for each.
const batchLetters = 1000

// End replays or discards dead letters, a request for each batch of a partition, and adds up what
// came of them. force replays those that were replayed too often.
func (o *Operator) End(ctx context.Context, kind topics.RequestKind, letters []Letter, force bool) (sum LettersOutcome, err error) {
	batches := map[string][]topics.AskedLetter{}
	for _, l := range letters {
		if l.Stage != dlqNormalize {
			return sum, fmt.Errorf("dead letter %s is of stage %s: only those of normalize can be replayed or discarded", l.ID, l.Stage)
		}
		subject := topics.PartitionSubject(l.Stream, l.Partition)
		asked := topics.AskedLetter{ID: l.ID, Key: l.letter.Key, Offset: l.Offset, Replays: l.Replays, Unplaced: l.Unplaced}
		if !l.letter.Position.IsZero() { // a record without position is no row of ours
			asked.Position = l.letter.Position[:]
		}
		batches[subject] = append(batches[subject], asked)
	}
	for subject, all := range batches {
		for batch := range slices.Chunk(all, batchLetters) {
			if err := o.endBatch(ctx, kind, subject, topics.Letters{Letters: batch, Force: force}, &sum); err != nil {
				return sum, err
			}
		}
	}
	return sum, nil
}

func (o *Operator) endBatch(ctx context.Context, kind topics.RequestKind, subject string, batch topics.Letters, sum *LettersOutcome) error {
	r, err := o.Ask(ctx, kind, subject, batch, nil)
	if err != nil {
		return fmt.Errorf("%s of %s: %w", kind, subject, err)
	}
	if r.State != topics.RequestDone {
		return errors.New(strings.TrimSpace(r.Outcome))
	}
	p, err := topics.DecodeLettersProgress(r.Progress)
	if err != nil {
		return err
	}
	sum.Ended, sum.Failed, sum.Before = sum.Ended+p.Ended, sum.Failed+p.Failed, sum.Before+p.Before
	if sum.Reason == "" {
		sum.Reason = p.Reason
	}
	return nil
}

// A WholeLetter is a dead letter with its record.
type WholeLetter struct {
	Letter
	// Key and Value are the record's Avro as JSON, or in base64 where it cannot be read.
	Key   any `json:"key"`
	Value any `json:"value"`
}

// Letter reads one dead letter whole.
func (o *Operator) Letter(ctx context.Context, id string) (*WholeLetter, error) {
	all, err := o.Letters(ctx, true)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(l Letter) bool { return l.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("there is no dead letter %s: see tributary dlq list --all", id)
	}
	l := all[i]
	return &WholeLetter{Letter: l, Key: o.readable(ctx, l.letter.Key), Value: o.readable(ctx, l.letter.Value)}, nil
}

// readable decodes framed Avro by its schema in the registry.
func (o *Operator) readable(ctx context.Context, framed []byte) any {
	id, body, err := schemas.Unframe(framed)
	if err != nil {
		return framed
	}
	text, err := o.registry.Schema(ctx, id)
	if err != nil {
		return framed
	}
	s, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return framed
	}
	var out any
	if err := avro.Unmarshal(s, body, &out); err != nil {
		return framed
	}
	return out
}
