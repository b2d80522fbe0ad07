package topics

import "github.com/twmb/franz-go/pkg/kgo"

// Headers of our records.
const (
	// HeaderPosition holds the 32 bytes of a Position: on every raw record, and on retractions.
	HeaderPosition = "tributary-position"
	// HeaderReason says why a retraction or delete was written, e.g. "not-repeated".
	HeaderReason = "tributary-reason"
	// HeaderVersion holds a view's version on its tombstone.
	HeaderVersion = "tributary-version"
)

// Header gives the value of a record's last header of that name, or nil.
func Header(r *kgo.Record, name string) []byte {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			return r.Headers[i].Value
		}
	}
	return nil
}
