package normalize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/schemas"
	"tributary/topics"
)

// hold sends a row that violates its entity's types to the dead letters (I6). What it said last
// stays; marks stand at the ids that it contributed to and at its new one (I10).
func (w *worker) hold(r *row, b *blockPlan, old, now []entry, env *Envelope, v *Violation, out *processors.Output) ([]entry, error) {
	ids := b.heldAt(r, old, b.mapped.ID)
	letter := w.deadLetter(r.record, b.target, v, unplaced(ids), out)
	m := mark{letter: letter, reason: v.Error(), time: env.CommitTime, txid: env.TxID}
	return w.mark(r, b, old, now, ids, &m, out), nil
}

// holdWhole holds a row whose value cannot be read, for each block: its key says where it
// belongs. An outage concerns no single record and is passed on.
func (w *worker) holdWhole(ctx context.Context, r *row, reason error, out *processors.Output) error {
	if err := passOn(reason); err != nil {
		return err
	}
	p, err := w.plans.latest(ctx)
	if err != nil {
		return err
	}
	old, err := w.entries(r.key)
	if err != nil {
		return err
	}
	at, anywhere := make([][]string, len(p.blocks)), true
	for i := range p.blocks {
		at[i] = p.blocks[i].heldAt(r, old, nil)
		anywhere = anywhere && !unplaced(at[i])
	}
	m := mark{reason: reason.Error(), time: r.record.Timestamp.UnixMicro()}
	m.letter = w.deadLetter(r.record, nil, reason, !anywhere, out)
	var now []entry
	for i := range p.blocks {
		now = w.mark(r, &p.blocks[i], old, now, at[i], &m, out)
	}
	return w.setEntries(r, old, now, topics.LetterSuperseded, out)
}

// unreadable is a record that is no row of ours, or whose key cannot be read: it goes to the dead
// letters whole and marks no entity.
func (w *worker) unreadable(r *kgo.Record, reason error, out *processors.Output) error {
	if err := passOn(reason); err != nil {
		return err
	}
	w.deadLetter(r, nil, reason, true, out)
	return nil
}

func passOn(reason error) error {
	var down *outageError
	if errors.As(reason, &down) {
		return fmt.Errorf("schema of the record: %w", reason)
	}
	return nil
}

// heldAt gives the ids at which a row of the block is held: those that it contributed to, the one
// that its key gives, and its new one. The empty id stands for an entity that is not known.
func (b *blockPlan) heldAt(r *row, old []entry, id []byte) (ids []string) {
	add := func(id string) {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	for _, e := range old {
		if b.owns(e) && !e.held() {
			add(e.id)
		}
	}
	if b.keys != nil {
		if own, err := b.keys.ID(r.key); err == nil {
			add(string(own))
		}
	}
	if len(id) > 0 {
		add(string(id))
	}
	if len(ids) == 0 {
		add("")
	}
	return ids
}

func unplaced(ids []string) bool { return slices.Contains(ids, "") }

// A mark is what is written where a row is held.
type mark struct {
	letter, reason string
	time, txid     int64
}

// mark writes the held marks of a row, takes back those that stood elsewhere, and gives its
// entries.
func (w *worker) mark(r *row, b *blockPlan, old, now []entry, ids []string, m *mark, out *processors.Output) []entry {
	for _, e := range old {
		switch {
		case b.owns(e) && !e.held():
			now = append(now, e)
		case b.owns(e) && !slices.Contains(ids, e.id):
			w.retract(r, b.target, e, "moved", out)
		}
	}
	for _, at := range ids {
		c := schemas.Contribution{Position: r.position, SourceTime: m.time, CommitTime: m.time, TxID: m.txid,
			Held: &schemas.Held{DLQID: m.letter, Reason: m.reason, Time: m.time}}
		out.Add(b.target.Topic, w.place(at), w.contributionKey(r, b.target, at, schemas.KindHeld),
			b.target.Codec.AppendContribution(b.target.Frame.Value(nil), &c))
		now = append(now, entry{entity: b.target.Codec.Entity.Name, block: b.target.Block.Name, id: at, letter: m.letter})
	}
	return now
}
