package freshness

import (
	"time"

	"tributary/mesh"
)

// A State says in one word how far an answer can be trusted. The constants rise from the best
// to the worst: where several streams or rows come together, the worst is reported.
type State uint8

// The states, as section 8 of the architecture names them.
const (
	// Live: verified within the warn bound.
	Live State = iota + 1
	// Lagging: verified, but longer ago than the warn bound.
	Lagging
	// Stalled: verified longer ago than the error bound, or the source is down.
	Stalled
	// Snapshotting: never verified, because the first snapshot still runs.
	Snapshotting
	// Unknown: never verified.
	Unknown
	// Degraded: source rows of what was read lie in the dead letters (I10).
	Degraded
)

// String gives the name that answers carry.
func (s State) String() string {
	switch s {
	case Live:
		return "LIVE"
	case Lagging:
		return "LAGGING"
	case Stalled:
		return "STALLED"
	case Snapshotting:
		return "SNAPSHOTTING"
	case Degraded:
		return "DEGRADED"
	}
	return "UNKNOWN"
}

// States lists all states from best to worst.
func States() []State { return []State{Live, Lagging, Stalled, Snapshotting, Unknown, Degraded} }

// Bounds of staleness: beyond Warn an answer is LAGGING, beyond Error STALLED.
type Bounds struct{ Warn, Error time.Duration }

// The bounds where the manifest gives none for the fields asked.
const (
	DefaultWarn  = 10 * time.Second
	DefaultError = 60 * time.Second
)

// BoundsOf gives the tightest bounds that the manifest sets for the fields, and the defaults
// where it sets none. Error is never below Warn.
func BoundsOf(fields []*mesh.Field) Bounds {
	var b Bounds
	for _, f := range fields {
		b.Warn = tighter(b.Warn, f.Freshness.Warn)
		b.Error = tighter(b.Error, f.Freshness.Error)
	}
	if b.Warn == 0 {
		b.Warn = DefaultWarn
	}
	if b.Error == 0 {
		b.Error = DefaultError
	}
	b.Error = max(b.Error, b.Warn)
	return b
}

// tighter gives the smaller bound, 0 meaning none.
func tighter(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
