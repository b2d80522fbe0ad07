package normalize

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/schemas"
	"tributary/topics"
)

// changed maps a row to each of the stream's blocks.
func (w *worker) changed(r *row, p *plan, out *processors.Output) error {
	old, err := w.entries(r.key)
	if err != nil {
		return err
	}
	var now []entry
	for i := range p.blocks {
		b := &p.blocks[i]
		err := b.mapper.Map(&p.row, &b.mapped)
		var violation *Violation
		switch {
		case errors.As(err, &violation):
			now, err = w.hold(r, b, old, now, &p.row, violation, out)
		case err != nil:
		case b.mapped.Live:
			now = w.contribute(r, b, old, now, &p.row, out)
		default:
			w.withdraw(r, b, old, b.mapped.ID, "when", out)
		}
		if err != nil {
			return err
		}
	}
	return w.setEntries(r, old, now, topics.LetterMended, out)
}

// contribute writes what the row says, and takes back what it said of another entity before.
func (w *worker) contribute(r *row, b *blockPlan, old, now []entry, env *Envelope, out *processors.Output) []entry {
	id := string(b.mapped.ID)
	for _, e := range old {
		if b.owns(e) && (e.held() || e.id != id) {
			w.retract(r, b.target, e, why(e), out)
		}
	}
	w.contribution = schemas.Contribution{Position: r.position, SourceTime: b.mapped.SourceTime,
		CommitTime: env.CommitTime, TxID: env.TxID, Values: b.mapped.Values}
	key := w.contributionKey(r, b.target, id, schemas.KindRow)
	value := b.target.Codec.AppendContribution(b.target.Frame.Value(nil), &w.contribution)
	out.Add(b.target.Topic, topics.Partition(b.mapped.ID, w.cfg.Partitions), key, value)
	if b.keys == nil {
		now = append(now, entry{entity: b.target.Codec.Entity.Name, block: b.target.Block.Name, id: id})
	}
	return now
}

// why says why an entry is taken back by a good row.
func why(e entry) string {
	if e.held() {
		return "mended"
	}
	return "moved"
}

// withdraw takes back what the row said of the block's entity: it is deleted, or contributes no
// longer. id is the row's id where that derives from its key.
func (w *worker) withdraw(r *row, b *blockPlan, old []entry, id []byte, reason string, out *processors.Output) {
	for _, e := range old {
		if b.owns(e) {
			w.retract(r, b.target, e, reason, out)
		}
	}
	if b.keys != nil && len(id) > 0 {
		w.retract(r, b.target, entry{id: string(id)}, reason, out)
	}
}

// owns says whether an entry is of the block.
func (b *blockPlan) owns(e entry) bool {
	return e.entity == b.target.Codec.Entity.Name && e.block == b.target.Block.Name
}

// retract writes a null under a contribution's or a held mark's key.
func (w *worker) retract(r *row, t *Target, e entry, reason string, out *processors.Output) {
	kind := schemas.KindRow
	if e.held() {
		kind = schemas.KindHeld
	}
	out.Add(t.Topic, w.place(e.id), w.contributionKey(r, t, e.id, kind), nil,
		kgo.RecordHeader{Key: topics.HeaderPosition, Value: r.position[:]},
		kgo.RecordHeader{Key: topics.HeaderReason, Value: []byte(reason)})
}

// place is the partition of an entity id; what has none stands where its raw partition maps to.
func (w *worker) place(id string) int32 {
	if id == "" {
		return w.space.Partition % w.cfg.Partitions
	}
	return topics.Partition([]byte(id), w.cfg.Partitions)
}

func (w *worker) contributionKey(r *row, t *Target, id, kind string) []byte {
	return schemas.AppendContributionKey(t.Frame.Key(nil), schemas.ContributionKey{
		ID: id, Stream: w.cfg.Stream.ID(), Block: t.Block.Name, SourceKey: r.sourceKey, Kind: kind})
}

// deleted takes back everything that a source key said. plan is nil for a tombstone that was
// met without its delete.
func (w *worker) deleted(ctx context.Context, r *row, p *plan, out *processors.Output) error {
	if p == nil {
		var err error
		if p, err = w.plans.latest(ctx); err != nil {
			return err
		}
	}
	old, err := w.entries(r.key)
	if err != nil {
		return err
	}
	for i := range p.blocks {
		b := &p.blocks[i]
		var id []byte
		if b.keys != nil {
			if id, err = b.keys.ID(r.key); err != nil {
				// Its row was held for the same reason, under the ids that old lists.
				w.cfg.Log.Debug().Str("stream", w.cfg.Stream.ID()).Err(err).Msg("a deleted row's key gives no id")
			}
		}
		w.withdraw(r, b, old, id, "deleted", out)
	}
	return w.setEntries(r, old, nil, topics.LetterDeleted, out)
}
