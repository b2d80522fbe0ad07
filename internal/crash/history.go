package crash

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"
)

// A History remembers what a load wrote, so that answers can be held against it. The values of a
// key rise. It is safe for concurrent use.
type History struct {
	mu   sync.Mutex // protects keys
	keys map[string]*record
}

type record struct {
	tried int64 // the highest value that may be there
	acked []ack // rising in value and time
	shown int64 // the highest value that an answer showed
	// version is the highest version of the view that an answer showed.
	version Version
}

// A Version is a view's: generation, partition, offset, n (I9). The zero one is not known.
type Version [4]int64

type ack struct {
	value int64
	at    time.Time
}

// NewHistory makes an empty one.
func NewHistory() *History { return &History{keys: map[string]*record{}} }

// Try says that a value is about to be written: from now on it may be seen.
func (h *History) Try(key string, value int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.keys[key]
	if r == nil {
		r = &record{}
		h.keys[key] = r
	}
	r.tried = max(r.tried, value)
}

// Acked says that the source has acknowledged the value's transaction, at a time read after the
// acknowledgement on the clock that the source uses too.
func (h *History) Acked(key string, value int64, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.keys[key]
	r.acked = append(r.acked, ack{value, at})
}

// highest is the highest value that was ever tried.
func (h *History) highest() (value int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.keys {
		value = max(value, r.tried)
	}
	return value
}

// An Answer is what the gateway said of a key.
type Answer struct {
	Key   string
	Found bool
	Value int64 // where Found
	// VerifiedThrough is the claim: all that was acknowledged before it is in the answer. Zero
	// claims nothing.
	VerifiedThrough time.Time
	// Sent is when the request was sent.
	Sent time.Time
	// Seen and SeenVersion are the highest value and version that were known to be shown when the
	// request was sent; Shown gives them.
	Seen                 int64
	Version, SeenVersion Version
}

// Shown is the highest value and version that an answer to Check showed of a key.
func (h *History) Shown(key string) (int64, Version) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.keys[key]; r != nil {
		return r.shown, r.version
	}
	return 0, Version{}
}

// Check gives what is wrong with an answer, or "". An answer is wrong if it lacks a value that
// was acknowledged before its VerifiedThrough (I4), shows one that was never written, or shows
// less, in value or version, than an answer that had come before it was asked (I9). An answer that
// claims nothing may show an older value: a first snapshot that was taken up again is followed by
// the changes since its first try.
func (h *History) Check(a Answer) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.keys[a.Key]
	if r == nil {
		if a.Found && a.Value > 0 { // 0: a row that was there before the load
			return fmt.Sprintf("%s = %d was never written", a.Key, a.Value)
		}
		return ""
	}
	if a.Found && a.Value > r.tried {
		return fmt.Sprintf("%s = %d was never written; the highest is %d", a.Key, a.Value, r.tried)
	}
	if owed := r.before(a.VerifiedThrough); owed != nil && (!a.Found || a.Value < owed.value) {
		return fmt.Sprintf("%s: %s, though %d was acknowledged at %s, %s before the verifiedThrough %s that the answer claims (asked at %s)",
			a.Key, a.text(), owed.value, stamp(owed.at), a.VerifiedThrough.Sub(owed.at), stamp(a.VerifiedThrough), stamp(a.Sent))
	}
	if a.Seen > 0 && !a.VerifiedThrough.IsZero() && (!a.Found || a.Value < a.Seen) {
		return fmt.Sprintf("%s: %s, though %d had been shown before it was asked at %s", a.Key, a.text(), a.Seen, stamp(a.Sent))
	}
	if a.Version != (Version{}) && slices.Compare(a.Version[:], a.SeenVersion[:]) < 0 {
		return fmt.Sprintf("%s: version %v, though %v had been shown before it was asked at %s", a.Key, a.Version, a.SeenVersion, stamp(a.Sent))
	}
	if a.Found {
		r.shown = max(r.shown, a.Value)
		if slices.Compare(a.Version[:], r.version[:]) > 0 {
			r.version = a.Version
		}
	}
	return ""
}

// before gives the newest acknowledgement before a time.
func (r *record) before(at time.Time) *ack {
	n := sort.Search(len(r.acked), func(i int) bool { return !r.acked[i].at.Before(at) })
	if n == 0 {
		return nil
	}
	return &r.acked[n-1]
}

func (a Answer) text() string {
	if !a.Found {
		return "not found"
	}
	return fmt.Sprintf("the answer is %d", a.Value)
}

func stamp(at time.Time) string { return at.UTC().Format("15:04:05.000000") }
