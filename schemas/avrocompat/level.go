package avrocompat

import (
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"
)

// A Level says which earlier versions a new schema must get along with, and in which direction.
type Level string

// The levels of Confluent's schema registry. Backward is the default.
const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD"
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD"
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL"
	FullTransitive     Level = "FULL_TRANSITIVE"
)

// ParseLevel reads a level in any case; ok is false for anything else.
func ParseLevel(s string) (l Level, ok bool) {
	switch l = Level(strings.ToUpper(s)); l {
	case None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive:
		return l, true
	}
	return "", false
}

// Transitive says whether all earlier versions count, not only the last.
func (l Level) Transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }

// A Version is an earlier schema of a subject.
type Version struct {
	Number int
	Schema avro.Schema
}

// Check compares a new schema with earlier versions (ascending); it gives one message for each
// mismatch, none when the level is kept.
func (l Level) Check(next avro.Schema, earlier []Version) []string {
	if l == None || len(earlier) == 0 {
		return nil
	}
	if !l.Transitive() {
		earlier = earlier[len(earlier)-1:]
	}
	backward := strings.HasPrefix(string(l), string(Backward)) || strings.HasPrefix(string(l), string(Full))
	forward := strings.HasPrefix(string(l), string(Forward)) || strings.HasPrefix(string(l), string(Full))
	var out []string
	for i := len(earlier) - 1; i >= 0; i-- {
		v := earlier[i]
		if backward {
			out = appendMessages(out, fmt.Sprintf("the new schema cannot read data of version %d: ", v.Number), Check(next, v.Schema))
		}
		if forward {
			out = appendMessages(out, fmt.Sprintf("version %d cannot read data of the new schema: ", v.Number), Check(v.Schema, next))
		}
	}
	return out
}

func appendMessages(out []string, intro string, ms []Mismatch) []string {
	for _, m := range ms {
		out = append(out, intro+m.String())
	}
	return out
}
