package normalize

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/topics"
)

// deadLetter writes a raw record whole to the dead letters with the reason (I6), and gives its
// id there. t is nil where the record cannot even be read.
func (w *worker) deadLetter(r *kgo.Record, t *Target, reason error, out *processors.Output) string {
	if w.cfg.DeadLettered != nil {
		w.cfg.DeadLettered()
	}
	who := w.cfg.Stream.ID()
	if t != nil {
		who = t.Codec.Entity.Name + " from " + t.Block.Name
	}
	letter := topics.DeadLetter(w.cfg.Names.DLQ("normalize"), r, who, reason)
	if t != nil {
		letter.Headers = append(letter.Headers,
			kgo.RecordHeader{Key: topics.HeaderEntity, Value: []byte(t.Codec.Entity.Name)},
			kgo.RecordHeader{Key: topics.HeaderBlock, Value: []byte(t.Block.Name)})
	}
	out.Add(letter.Topic, 0, letter.Key, letter.Value, letter.Headers...)
	return topics.DeadLetterID(r, who)
}
