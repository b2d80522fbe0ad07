package topics

import (
	"encoding/hex"
	"hash/fnv"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Headers of dead letters beside those of Kafka Connect.
const (
	HeaderDLQID       = "tributary-dlq-id"
	HeaderReplayCount = "tributary-replay-count"
	HeaderEntity      = "tributary-entity"
	HeaderBlock       = "tributary-block"
	// HeaderGeneration is the generation of the stage that wrote it, in decimal.
	HeaderGeneration = "tributary-generation"
	// HeaderUnplaced is there where it is not known which entity the row belongs to.
	HeaderUnplaced = "tributary-unplaced"
	// HeaderResolved makes a record the end of a dead letter: a Resolution.
	HeaderResolved = "tributary-dlq-resolved"
)

// DeadLetter makes the dead letter of a record: the record whole, its headers, and those of
// Kafka Connect that say where it came from and why it failed (I6). who is the stream or part
// that failed.
func DeadLetter(topic string, r *kgo.Record, who string, reason error) *kgo.Record {
	out := &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Headers: append([]kgo.RecordHeader(nil), r.Headers...)}
	for _, h := range []struct{ name, value string }{
		{"__connect.errors.topic", r.Topic},
		{"__connect.errors.partition", strconv.Itoa(int(r.Partition))},
		{"__connect.errors.offset", strconv.FormatInt(r.Offset, 10)},
		{"__connect.errors.stage", "TRANSFORMATION"},
		{"__connect.errors.connector.name", who},
		{"__connect.errors.exception.message", reason.Error()},
		{HeaderDLQID, DeadLetterID(r, who)},
		{HeaderReplayCount, "0"},
	} {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.name, Value: []byte(h.value)})
	}
	return out
}

// DeadLetterID names a dead letter by its origin and by who failed, so that a failure that is
// met twice has one id.
func DeadLetterID(r *kgo.Record, who string) string {
	h := fnv.New64a()
	for _, part := range []string{r.Topic, strconv.Itoa(int(r.Partition)), strconv.FormatInt(r.Offset, 10), who} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil))
}
