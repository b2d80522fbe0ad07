package freshness

import (
	"time"

	"tributary/mesh"
	"tributary/topics"
)

// A Snapshot is what was known of one view at one moment. It is immutable.
type Snapshot struct {
	Entity  *mesh.Entity
	streams []string
	status  []StreamStatus
	through [][]time.Time // by partition, then by stream; zero: never verified
	least   []time.Time   // by stream, over all partitions
}

// A Held row is a source row of the entity that lies in the dead letters.
type Held struct {
	Stream string
	Time   time.Time
}

// A Reading is the freshness of something that was read.
type Reading struct {
	// Through is verifiedThrough; zero: never verified.
	Through time.Time
	State   State
}

// A StreamReading is the freshness of one stream's part in it.
type StreamReading struct {
	Name string
	Reading
}

// All is the partition that stands for all of them.
const All int32 = -1

// PartitionOf gives the partition of the view's topic in which an id lies.
func (s *Snapshot) PartitionOf(id string) int32 {
	if len(s.through) == 0 {
		return All
	}
	return topics.Partition([]byte(id), int32(len(s.through)))
}

// DeadLetters counts the rows of the view's streams that lie in the dead letters.
func (s *Snapshot) DeadLetters() int64 {
	var n int64
	for _, st := range s.status {
		n += st.DeadLetters
	}
	return n
}

// Row gives the freshness of a row that was found in a partition and has the given held rows.
func (s *Snapshot) Row(partition int32, held []Held, b Bounds, now time.Time) Reading {
	r := fresh()
	for i := range s.streams {
		r = r.Worse(s.stream(i, partition, held, b, now).Reading)
	}
	return s.known(r)
}

// View gives the freshness of an answer about rows that may be missing from it: of lists, and
// of ids that were not found. Rows that lie in the dead letters without an entity mark it (I10).
func (s *Snapshot) View(partition int32, b Bounds, now time.Time) Reading {
	r := s.Row(partition, nil, b, now)
	for _, st := range s.status {
		if st.Unplaced > 0 {
			r.State = Degraded
		}
	}
	return r
}

// AppendStreams appends the freshness of each stream; held caps as in Row.
func (s *Snapshot) AppendStreams(dst []StreamReading, partition int32, held []Held, b Bounds, now time.Time) []StreamReading {
	for i := range s.streams {
		r := s.stream(i, partition, held, b, now)
		if s.status[i].Unplaced > 0 {
			r.State = Degraded
		}
		dst = append(dst, r)
	}
	return dst
}

func (s *Snapshot) stream(i int, partition int32, held []Held, b Bounds, now time.Time) StreamReading {
	at := s.least[i]
	if partition >= 0 && int(partition) < len(s.through) {
		at = s.through[partition][i]
	}
	r := StreamReading{Name: s.streams[i], Reading: Reading{Through: at, State: stateOf(at, s.status[i], b, now)}}
	for _, h := range held {
		if h.Stream != r.Name {
			continue
		}
		r.State = Degraded
		if h.Time.Before(r.Through) {
			r.Through = h.Time // I10: the row is known only up to what it holds back
		}
	}
	return r
}

func stateOf(through time.Time, st StreamStatus, b Bounds, now time.Time) State {
	stale := now.Sub(through)
	switch {
	case through.IsZero() && st.Snapshotting:
		return Snapshotting
	case through.IsZero():
		return Unknown
	case !st.DownSince.IsZero(), stale > b.Error:
		return Stalled
	case stale > b.Warn:
		return Lagging
	}
	return Live
}

// farFuture stands for "not limited by anything yet".
const farFuture = 1 << 40

func fresh() Reading { return Reading{Through: time.Unix(farFuture, 0), State: Live} }

// known turns the freshness of a view without streams into UNKNOWN.
func (s *Snapshot) known(r Reading) Reading {
	if len(s.streams) == 0 {
		return Reading{State: Unknown}
	}
	return r
}

// Worse gives the least frontier and the worst state of two readings.
func (r Reading) Worse(o Reading) Reading {
	if o.Through.Before(r.Through) {
		r.Through = o.Through
	}
	r.State = max(r.State, o.State)
	return r
}

// Staleness is now − verifiedThrough, never negative; ok is false where it is unknown.
func (r Reading) Staleness(now time.Time) (_ time.Duration, ok bool) {
	if r.Through.IsZero() {
		return 0, false
	}
	return max(0, now.Sub(r.Through)), true
}
