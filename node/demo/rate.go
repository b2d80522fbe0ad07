package demo

import "time"

const (
	sparkTime  = 30 // readings that a spark line shows
	smoothOver = 5  // readings that a rate is the mean of
)

// A rate follows a counter.
type rate struct {
	last   int64
	at     time.Time
	recent []float64 // by reading, the newest last, in records a second
}

// add takes the counter's value; the first one only begins the count.
func (r *rate) add(value int64, now time.Time) {
	if passed := now.Sub(r.at).Seconds(); !r.at.IsZero() && passed > 0 {
		r.recent = append(r.recent, max(0, float64(value-r.last)/passed))
		r.recent = r.recent[max(0, len(r.recent)-sparkTime):]
	}
	r.last, r.at = value, now
}

// now is the mean over the last readings.
func (r *rate) now() float64 {
	last := r.recent[max(0, len(r.recent)-smoothOver):]
	if len(last) == 0 {
		return 0
	}
	var sum float64
	for _, v := range last {
		sum += v
	}
	return sum / float64(len(last))
}
