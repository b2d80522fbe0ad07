package topics

import "database/sql"

// A Reading is how a series stands: its counts since the process began, and its gauges.
type Reading struct {
	SeriesKey
	Records, Bytes, Errors int64

	LagRecords      sql.NullInt64 // null: unknown, never 0 for it
	LagMillis       sql.NullInt64
	VerifiedThrough sql.NullInt64 // µs since 1970; null: never verified
	ConflictsOpen   sql.NullInt64
}

// Readings gives how each series stands now, in no order.
func (r *Recorder) Readings() []Reading {
	all := r.list()
	out := make([]Reading, len(all))
	for i, s := range all {
		g := s.gaugesNow()
		out[i] = Reading{SeriesKey: s.key, Records: s.records.Load(), Bytes: s.bytes.Load(), Errors: s.errors.Load(),
			LagRecords: known(g.lagRecords), LagMillis: known(g.lagMillis), VerifiedThrough: known(g.verified), ConflictsOpen: known(g.conflicts)}
	}
	return out
}
