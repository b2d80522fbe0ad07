package normalize

import (
	"encoding/hex"
	"hash/fnv"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/processors"
	"tributary/schemas"
)

// deadLetter writes a raw record whole to the dead letters, with the headers of Kafka Connect
// and the reason (I6), and gives its id there.
func (w *worker) deadLetter(r *kgo.Record, t *Target, reason error, out *processors.Output) string {
	if w.cfg.DeadLettered != nil {
		w.cfg.DeadLettered()
	}
	id := deadLetterID(r, t)
	headers := append([]kgo.RecordHeader(nil), r.Headers...)
	add := func(name, value string) {
		headers = append(headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	add("__connect.errors.topic", r.Topic)
	add("__connect.errors.partition", strconv.Itoa(int(r.Partition)))
	add("__connect.errors.offset", strconv.FormatInt(r.Offset, 10))
	add("__connect.errors.stage", "TRANSFORMATION")
	add("__connect.errors.connector.name", w.cfg.Stream.ID())
	add("__connect.errors.exception.message", reason.Error())
	add("tributary-dlq-id", id)
	add("tributary-replay-count", "0")
	if t != nil {
		add("tributary-entity", t.Codec.Entity.Name)
		add("tributary-block", t.Block.Name)
	}
	out.Add(w.cfg.Names.DLQ("normalize"), 0, r.Key, r.Value, headers...)
	return id
}

// deadLetterID names a dead letter by its origin, so that one met twice has one id.
func deadLetterID(r *kgo.Record, t *Target) string {
	h := fnv.New64a()
	h.Write([]byte(r.Topic))
	h.Write(schemas.AppendLong(schemas.AppendLong(nil, int64(r.Partition)), r.Offset))
	if t != nil {
		h.Write([]byte(t.Codec.Entity.Name + "\x00" + t.Block.Name))
	}
	return hex.EncodeToString(h.Sum(nil))
}
