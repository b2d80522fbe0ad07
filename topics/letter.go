package topics

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Resolution says how a dead letter ended. It is a record of the dead-letter topic without a
// value, written in the transaction that ended it: who reads the topic knows what is open.
type Resolution string

// The resolutions.
const (
	LetterMended     Resolution = "mended"     // the row's next version was good
	LetterDeleted    Resolution = "deleted"    // the row was deleted at its source
	LetterSuperseded Resolution = "superseded" // the row's next version lies in the dead letters too
	LetterReplayed   Resolution = "replayed"   // an operator ran it again
	LetterDiscarded  Resolution = "discarded"  // an operator gave it up
	LetterRebuilt    Resolution = "rebuilt"    // the views were derived anew since; given by readers alone
)

// MaxReplays is how often a dead letter may be replayed before an operator must insist: each
// replay of a row that cannot succeed would only write it again.
const MaxReplays = 10

// A Letter is a dead letter as its topic tells of it.
type Letter struct {
	ID         string
	Who        string // the stream, or for a part that has none its name
	Entity     string // "" where the record could not even be read
	Block      string
	Reason     string
	Topic      string // where the record came from
	Partition  int32
	Offset     int64
	Position   Position
	Generation uint32
	Replays    int
	Unplaced   bool
	Resolved   Resolution // "" for the letter itself
	At         time.Time
	Key, Value []byte
}

// LetterFrom reads a record of a dead-letter topic; ok is false where it has no id: something else
// wrote it.
func LetterFrom(r *kgo.Record) (l Letter, ok bool) {
	text := func(name string) string { return string(Header(r, name)) }
	number := func(name string) int64 {
		n, err := strconv.ParseInt(text(name), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	l = Letter{ID: text(HeaderDLQID), Who: text("__connect.errors.connector.name"), Entity: text(HeaderEntity), Block: text(HeaderBlock),
		Reason: text("__connect.errors.exception.message"), Topic: text("__connect.errors.topic"),
		Partition: int32(number("__connect.errors.partition")), Offset: number("__connect.errors.offset"),
		Generation: uint32(max(1, number(HeaderGeneration))), Replays: int(number(HeaderReplayCount)),
		Unplaced: Header(r, HeaderUnplaced) != nil, Resolved: Resolution(text(HeaderResolved)),
		At: r.Timestamp.UTC(), Key: r.Key, Value: r.Value}
	l.Position, _ = PositionFrom(Header(r, HeaderPosition))
	return l, l.ID != ""
}

// ResolutionRecord makes the record that ends a dead letter.
func ResolutionRecord(topic string, l *Letter) *kgo.Record {
	r := &kgo.Record{Topic: topic, Key: l.Key}
	add := func(name, value string) {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	add(HeaderDLQID, l.ID)
	add(HeaderResolved, string(l.Resolved))
	add("__connect.errors.connector.name", l.Who)
	add(HeaderGeneration, strconv.FormatUint(uint64(l.Generation), 10))
	if l.Unplaced {
		add(HeaderUnplaced, "true")
	}
	return r
}

// Letters are the Arguments of a request to replay or discard dead letters of one raw partition.
type Letters struct {
	Letters []AskedLetter `json:"letters"`
	// Force replays letters that were replayed MaxReplays times.
	Force bool `json:"force,omitempty"`
}

// An AskedLetter is a letter of such a request, as its topic tells of it.
type AskedLetter struct {
	ID       string `json:"id"`
	Key      []byte `json:"key"`
	Offset   int64  `json:"offset"`
	Position []byte `json:"position"`
	Replays  int    `json:"replays,omitempty"`
	Unplaced bool   `json:"unplaced,omitempty"`
}

// LettersProgress is the Progress of such a request.
type LettersProgress struct {
	Ended  int    `json:"ended"`  // replayed with success, or discarded
	Failed int    `json:"failed"` // replayed, and held again
	Before int    `json:"before"` // had been resolved before
	Reason string `json:"reason"` // of the first that failed
}

// DecodeLettersProgress reads the Progress of a request about dead letters.
func DecodeLettersProgress(text []byte) (p LettersProgress, err error) {
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("what came of the request: %w", err)
	}
	return p, nil
}
