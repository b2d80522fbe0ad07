package clickhouse

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas"
	"tributary/topics"
)

// errNotTime is the fault of a record whose time ClickHouse cannot hold.
var errNotTime = errors.New("a time is before 1970 or after 2260")

// A table says how a topic's records become rows.
type table struct {
	name, columns string
	row           func(*kgo.Record) ([]any, error)
}

// masked is what stands for a value of a pii field (I11), as JSON.
const masked = `"***"`

// A Mask says whether a field is classified pii.
type Mask func(entity, field string) bool

// tablesOf gives the table of each topic.
func tablesOf(names topics.Names, mask Mask) map[string]table {
	return map[string]table{
		names.Telemetry(): {"samples", "ts, stage, system, stream, entity, partition, instance, window_ms, records, bytes, errors, lag_records, lag_ms, verified_through, conflicts_open, latency", sampleRow},
		names.Conflicts(): {"conflicts", "entity, id, field, locale, open, rule, winner_stream, winner_source_key, winner_value, losers, since, updated, version", mask.conflictRow},
		names.Changes():   {"changes", "changed_at, change_id, entity, id, field, locale, old, new, view_generation, view_partition, view_offset, view_n, stream, source_key, source_time", mask.changeRow},
	}
}

func sampleRow(r *kgo.Record) ([]any, error) {
	_, body, err := schemas.Unframe(r.Value)
	if err != nil {
		return nil, err
	}
	s, err := topics.DecodeSample(body)
	if err != nil {
		return nil, err
	}
	if s.Records < 0 || s.Bytes < 0 || s.Errors < 0 || s.Window < 0 || s.Window > 1<<32-1 {
		return nil, fmt.Errorf("sample of stage %s, stream %s, entity %s counts below zero", s.Stage, s.Stream, s.Entity)
	}
	ts, err := timeOf(s.Time)
	if err != nil {
		return nil, err
	}
	verified, err := nullTimeOf(s.VerifiedThrough.Int64, s.VerifiedThrough.Valid)
	if err != nil {
		return nil, err
	}
	latency := make(map[int16]uint64, len(s.Latency))
	for _, b := range s.Latency {
		if b.Index < 0 || b.Index > 1<<14 || b.Count < 0 {
			return nil, fmt.Errorf("sample of stage %s, stream %s, entity %s has no such latency bucket", s.Stage, s.Stream, s.Entity)
		}
		latency[int16(b.Index)] += uint64(b.Count)
	}
	return []any{ts, string(s.Stage), s.System, s.Stream, s.Entity, s.Partition, s.Instance, uint32(s.Window),
		uint64(s.Records), uint64(s.Bytes), uint64(s.Errors), s.LagRecords, s.LagMillis, verified, s.ConflictsOpen, latency}, nil
}

func (m Mask) conflictRow(r *kgo.Record) ([]any, error) {
	_, keyBody, err := schemas.Unframe(r.Key)
	if err != nil {
		return nil, fmt.Errorf("key of a conflict: %w", err)
	}
	key, err := schemas.DecodeConflictKey(keyBody)
	if err != nil {
		return nil, err
	}
	// A tombstone means that the entity is gone and its conflict with it.
	c := schemas.Conflict{ConflictKey: key, Updated: r.Timestamp.UnixMicro()}
	if r.Value != nil {
		_, body, err := schemas.Unframe(r.Value)
		if err != nil {
			return nil, fmt.Errorf("conflict of %s: %w", key.Entity, err)
		}
		if c, err = schemas.DecodeConflict(body); err != nil {
			return nil, err
		}
	}
	updated, err := timeOf(c.Updated)
	if err != nil {
		return nil, fmt.Errorf("conflict of %s: %w", c.Entity, err)
	}
	since, err := nullTimeOf(c.Since, c.Since != 0)
	if err != nil {
		return nil, fmt.Errorf("conflict of %s: %w", c.Entity, err)
	}
	hide := m.of(c.Entity, c.Field)
	losers := make([][]any, len(c.Losers))
	for i, l := range c.Losers {
		losers[i] = []any{l.Stream, l.SourceKey, hide(l.Value)}
	}
	// Append order is position order (I13): a later offset of the key is the newer record.
	return []any{c.Entity, c.ID, c.Field, c.Locale, c.Open, c.Rule, c.Winner.Stream, c.Winner.SourceKey,
		hide(c.Winner.Value), losers, since, updated, uint64(r.Offset)}, nil
}

func (m Mask) changeRow(r *kgo.Record) ([]any, error) {
	_, body, err := schemas.Unframe(r.Value)
	if err != nil {
		return nil, err
	}
	c, err := schemas.DecodeChange(body)
	if err != nil {
		return nil, err
	}
	at, err := timeOf(c.ChangedAt)
	if err != nil {
		return nil, fmt.Errorf("change of %s: %w", c.Entity, err)
	}
	source, err := nullTimeOf(c.SourceTime.Int64, c.SourceTime.Valid)
	if err != nil {
		return nil, fmt.Errorf("change of %s: %w", c.Entity, err)
	}
	hide := m.of(c.Entity, c.Field)
	c.Old.String, c.New.String = hide(c.Old.String), hide(c.New.String)
	return []any{at, c.ChangeID(), c.Entity, c.ID, c.Field, c.Locale, c.Old, c.New, c.Version.Generation,
		c.Version.Partition, c.Version.Offset, c.Version.N, c.Stream, c.SourceKey, source}, nil
}

// of gives what a field's values go through.
func (m Mask) of(entity, field string) func(string) string {
	if m != nil && m(entity, field) {
		return func(string) string { return masked }
	}
	return func(v string) string { return v }
}

// timeOf reads µs since 1970, within what DateTime64(6) and the client hold.
func timeOf(micros int64) (time.Time, error) {
	if micros < 0 || micros > 9_150_000_000_000_000 {
		return time.Time{}, errNotTime
	}
	return time.UnixMicro(micros).UTC(), nil
}

func nullTimeOf(micros int64, valid bool) (*time.Time, error) {
	if !valid {
		return nil, nil
	}
	t, err := timeOf(micros)
	return &t, err
}
