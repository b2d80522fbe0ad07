package normalize

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/topics"
)

// stage names the dead letters of this room.
const stage = "normalize"

// deadLetter writes a raw record whole to the dead letters with the reason (I6), and gives its
// id there. t is nil where it concerns no single block.
func (w *worker) deadLetter(r *kgo.Record, t *Target, reason error, unplaced bool, out *processors.Output) string {
	if w.cfg.DeadLettered != nil {
		w.cfg.DeadLettered()
	}
	who := w.cfg.Stream.ID()
	if t != nil {
		who += " to " + t.Codec.Entity.Name + " by " + t.Block.Name
	}
	id := topics.DeadLetterID(r, who)
	letter := topics.DeadLetter(w.cfg.Names.DLQ(stage), r, w.cfg.Stream.ID(), reason)
	set := func(name, value string) {
		letter.Headers = slices.DeleteFunc(letter.Headers, func(h kgo.RecordHeader) bool { return h.Key == name })
		letter.Headers = append(letter.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	set(topics.HeaderDLQID, id)
	set(topics.HeaderReplayCount, strconv.Itoa(w.replay.counts[id]))
	set(topics.HeaderGeneration, strconv.FormatUint(uint64(w.cfg.Generation), 10))
	if unplaced {
		set(topics.HeaderUnplaced, "true")
	}
	if t != nil {
		set(topics.HeaderEntity, t.Codec.Entity.Name)
		set(topics.HeaderBlock, t.Block.Name)
	}
	out.Add(letter.Topic, 0, letter.Key, letter.Value, letter.Headers...)
	line := w.letters.Warn().Err(reason).Str("stage", stage).Str("system", w.cfg.Stream.System.Name).Str("stream", w.cfg.Stream.ID())
	if t != nil {
		line.Str("entity", t.Codec.Entity.Name)
	}
	line.Str("topic", r.Topic).Int32("partition", r.Partition).Int64("offset", r.Offset).Str("correlation", id).
		Msg("dead letter: the row is kept with the reason; see tributary dlq show")
	return id
}

// resolve writes the end of each dead letter that held a row and does no longer.
func (w *worker) resolve(key []byte, old, new []entry, how topics.Resolution, out *processors.Output) {
	if w.replay.how != "" {
		how = w.replay.how
	}
	var ended []string
	for _, e := range old {
		if !e.held() || slices.Contains(ended, e.letter) || slices.ContainsFunc(new, func(n entry) bool { return n.letter == e.letter }) {
			continue
		}
		ended = append(ended, e.letter)
		again := slices.ContainsFunc(new, func(n entry) bool { return n.held() && n.entity == e.entity && n.block == e.block })
		blind := slices.ContainsFunc(old, func(o entry) bool { return o.letter == e.letter && o.id == "" })
		l := &topics.Letter{ID: e.letter, Key: key, Resolved: how, Unplaced: blind}
		if again {
			l.Resolved = topics.LetterSuperseded
		}
		w.resolved(l, out)
	}
}

func (w *worker) resolved(l *topics.Letter, out *processors.Output) {
	l.Who, l.Generation = w.cfg.Stream.ID(), w.cfg.Generation
	r := topics.ResolutionRecord(w.cfg.Names.DLQ(stage), l)
	out.Add(r.Topic, 0, r.Key, nil, r.Headers...)
}
