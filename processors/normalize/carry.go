package normalize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/topics"
)

// replayBytes bounds the records that one request holds in memory (I8).
const replayBytes = 64 << 20

// A replay is what holds while records are run again; zero otherwise.
type replay struct {
	how    topics.Resolution
	counts map[string]int // by letter: how often it was run again, this time included
}

// Carry implements processors.Carrier: it replays or discards dead letters of this partition. What
// it refuses is the request's failure; an error is an outage, after which it is tried again.
func (w *worker) Carry(ctx context.Context, r topics.Request, through int64, out *processors.Output) (topics.Request, error) {
	var asked topics.Letters
	if err := json.Unmarshal(r.Arguments, &asked); err != nil {
		return r.End(topics.RequestFailed, "its arguments cannot be read: "+err.Error()), nil
	}
	defer func() { w.replay = replay{} }()
	var p topics.LettersProgress
	var err error
	switch r.Kind {
	case topics.DeadLetterReplay:
		for _, l := range asked.Letters {
			if l.Replays >= topics.MaxReplays && !asked.Force {
				return r.End(topics.RequestFailed, fmt.Sprintf("dead letter %s was replayed %d times already: mend its row or the manifest, discard it, or insist with --force", l.ID, l.Replays)), nil
			}
		}
		p, err = w.rerun(ctx, asked.Letters, through, out)
	case topics.DeadLetterDiscard:
		p, err = w.discard(ctx, asked.Letters, out)
	default:
		return r.End(topics.RequestFailed, "normalize knows no "+string(r.Kind)), nil
	}
	if errors.Is(err, errTooMuch) {
		return r.End(topics.RequestFailed, err.Error()), nil
	}
	if err != nil {
		return r, err
	}
	r.Progress, err = json.Marshal(p)
	outcome := fmt.Sprintf("%d ended, %d failed again, %d were resolved before", p.Ended, p.Failed, p.Before)
	return r.End(topics.RequestDone, outcome), err
}

var errTooMuch = fmt.Errorf("the newest records of these rows take more than %d MiB: ask for fewer at a time", replayBytes>>20)

// rerun runs the newest raw record of each letter's key again (I13: an old one is never appended).
// Records at and behind through come by themselves.
func (w *worker) rerun(ctx context.Context, letters []topics.AskedLetter, through int64, out *processors.Output) (p topics.LettersProgress, err error) {
	newest, err := w.newest(ctx, letters, through)
	if err != nil {
		return p, err
	}
	w.replay = replay{how: topics.LetterReplayed, counts: map[string]int{}}
	for _, l := range letters {
		w.replay.counts[l.ID] = l.Replays + 1
	}
	for _, l := range letters {
		rec := newest[string(l.Key)]
		open, loose, err := w.isOpen(ctx, &l)
		if err != nil {
			return p, err
		}
		if rec == nil || !open {
			p.Before++
			continue
		}
		begin := out.Len()
		if err := w.record(ctx, rec, out); err != nil {
			return p, fmt.Errorf("replay of dead letter %s, offset %d: %w", l.ID, rec.Offset, err)
		}
		if reason := heldAgain(out.Since(begin), l.ID); reason != "" {
			p.Failed++
			if p.Reason == "" {
				p.Reason = reason
			}
			continue
		}
		if loose {
			w.resolved(&topics.Letter{ID: l.ID, Key: l.Key, Resolved: topics.LetterReplayed, Unplaced: l.Unplaced}, out)
		}
		p.Ended++
	}
	return p, nil
}

// heldAgain gives the reason of a letter among what was written, "" if there is none.
func heldAgain(written []*kgo.Record, id string) string {
	for _, r := range written {
		if l, ok := topics.LetterFrom(r); ok && l.ID == id && l.Resolved == "" {
			return l.Reason
		}
	}
	return ""
}

// newest reads the raw partition from the oldest of the letters to through and keeps the newest
// record of each of their keys.
func (w *worker) newest(ctx context.Context, letters []topics.AskedLetter, through int64) (map[string]*kgo.Record, error) {
	out, from, bytes := map[string]*kgo.Record{}, int64(math.MaxInt64), 0
	for _, l := range letters {
		out[string(l.Key)] = nil
		from = min(from, l.Offset)
	}
	err := w.cfg.Cluster.ReadPartition(ctx, w.cfg.Names.RawID(w.cfg.Stream.ID()), w.space.Partition, from, through, func(r *kgo.Record) error {
		before, wanted := out[string(r.Key)]
		if !wanted {
			return nil
		}
		if before != nil {
			bytes -= len(before.Key) + len(before.Value)
		}
		if bytes += len(r.Key) + len(r.Value); bytes > replayBytes {
			return errTooMuch
		}
		own := *r // the fetch that it came in is given up
		own.Key, own.Value = slices.Clone(r.Key), slices.Clone(r.Value)
		out[string(own.Key)] = &own
		return nil
	})
	return out, err
}

// isOpen says whether a letter still holds its row. A loose one marks no row: its record's key
// could not be read, so that only its topic tells.
func (w *worker) isOpen(ctx context.Context, l *topics.AskedLetter) (open, loose bool, err error) {
	_, key, err := w.plans.keyOf(ctx, l.Key)
	if err != nil || len(l.Position) != topics.PositionSize {
		return true, true, passOn(err)
	}
	entries, err := w.entries(key)
	return slices.ContainsFunc(entries, func(e entry) bool { return e.letter == l.ID }), false, err
}

// discard takes the held marks of letters back; what their rows said before stays.
func (w *worker) discard(ctx context.Context, letters []topics.AskedLetter, out *processors.Output) (p topics.LettersProgress, err error) {
	w.replay.how = topics.LetterDiscarded
	for _, l := range letters {
		open, loose, err := w.isOpen(ctx, &l)
		switch {
		case err != nil:
			return p, err
		case !open:
			p.Before++
		case loose:
			w.resolved(&topics.Letter{ID: l.ID, Key: l.Key, Resolved: topics.LetterDiscarded, Unplaced: l.Unplaced}, out)
			p.Ended++
		default:
			if err := w.release(ctx, &l, out); err != nil {
				return p, fmt.Errorf("discard dead letter %s: %w", l.ID, err)
			}
			p.Ended++
		}
	}
	return p, nil
}

// release takes back the marks of one letter.
func (w *worker) release(ctx context.Context, l *topics.AskedLetter, out *processors.Output) error {
	reader, key, err := w.plans.keyOf(ctx, l.Key)
	if err != nil {
		return err
	}
	r := &row{record: &kgo.Record{Key: l.Key}, key: key}
	r.position, _ = topics.PositionFrom(l.Position)
	if r.sourceKey, err = reader.SourceKey(key); err != nil {
		return err
	}
	old, err := w.entries(key)
	if err != nil {
		return err
	}
	var now []entry
	for _, e := range old {
		if e.letter != l.ID {
			now = append(now, e)
			continue
		}
		if t := w.target(e); t != nil {
			w.retract(r, t, e, string(topics.LetterDiscarded), out)
		}
	}
	return w.setEntries(r, old, now, topics.LetterDiscarded, out)
}

// target gives the block that an entry is of, nil where the manifest has it no longer.
func (w *worker) target(e entry) *Target {
	for i := range w.cfg.Targets {
		if t := &w.cfg.Targets[i]; t.Codec.Entity.Name == e.entity && t.Block.Name == e.block {
			return t
		}
	}
	return nil
}
