package rest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tributary/mesh"
	"tributary/schemas"
	"tributary/serve/catalog"
	"tributary/topics"
)

// explain adds the provenance of the fields asked; field nil means all.
func (r *whyRow) explain(e *catalog.Entity, field *catalog.Field, out *Why) error {
	for i := range r.meta.Fields {
		p := &r.meta.Fields[i]
		f := e.Field(p.Field)
		if f == nil || field != nil && f != field {
			continue // a field that the manifest no longer has
		}
		value, err := r.value(f, p.Locale)
		if err != nil {
			return err
		}
		w := WhyField{Entity: out.Entity, ID: out.ID, Field: f.Field.Name, Locale: p.Locale, Value: value, Rule: p.Rule,
			Losers: []SourceRow{}, Override: null, Conflict: p.Conflict, Because: because(e, f)}
		winner := r.source(p.Winner)
		if winner != nil {
			w.Winner = rowOf(winner)
			w.Winner.Value = value
		}
		for _, l := range p.Losers {
			loser := r.source(l.Source)
			if loser == nil {
				continue
			}
			row := rowOf(loser)
			if row.Value, err = schemas.AppendJSON(nil, f.Type, l.Value); err != nil {
				return fmt.Errorf("field %s: what %s said: %w", f.Field.Name, loser.Stream, err)
			}
			row.Reason = reason(f.Field, winner, loser)
			w.Losers = append(w.Losers, *row)
		}
		if p.LoserCount > int64(len(w.Losers)) {
			w.LoserCount = p.LoserCount
		}
		if aggregates(f.Rule.Name) {
			w.InputCount = &p.InputCount
			for _, in := range p.Inputs {
				if src := r.source(in); src != nil {
					w.Inputs = append(w.Inputs, *rowOf(src))
				}
			}
		}
		out.Fields = append(out.Fields, w)
	}
	return nil
}

var null = json.RawMessage("null")

// value gives a field's value in the view, or that of one locale.
func (r *whyRow) value(f *catalog.Field, locale string) (json.RawMessage, error) {
	value := r.values[f.Name]
	if locale == "" || string(value) == "null" {
		return value, nil
	}
	var locales map[string]json.RawMessage
	if err := json.Unmarshal(value, &locales); err != nil {
		return nil, fmt.Errorf("field %s: %w", f.Field.Name, err)
	}
	if v, ok := locales[locale]; ok {
		return v, nil
	}
	return null, nil
}

// source gives a row that had a say; nil for −1 and for what is not there.
func (r *whyRow) source(i int32) *schemas.SourceRef {
	if i < 0 || int(i) >= len(r.meta.Sources) {
		return nil
	}
	return &r.meta.Sources[i]
}

func rowOf(s *schemas.SourceRef) *SourceRow {
	system, _, _ := strings.Cut(s.Stream, ".")
	row := &SourceRow{System: system, Stream: s.Stream, SourceKey: s.SourceKey, Position: topics.Position(s.Position).String(),
		SourceTime: micros(s.SourceTime), CommitTime: micros(s.CommitTime)}
	if s.TxID != 0 {
		row.TxID = &s.TxID
	}
	return row
}

func aggregates(r mesh.RuleName) bool {
	return slices.Contains([]mesh.RuleName{mesh.Min, mesh.Max, mesh.Sum, mesh.Count}, r)
}

// because puts the rule of a field into words.
func because(e *catalog.Entity, f *catalog.Field) string {
	if f == e.Key {
		return "the entity's id"
	}
	if f.Group != "" {
		return "moves with " + f.Group + ": it comes from the row that won there"
	}
	from := strings.Join(f.Rule.From, ", ")
	of := ""
	if from != "" {
		of = " of " + from
	}
	switch f.Rule.Name {
	case mesh.Owner:
		return from + " owns the field"
	case mesh.Priority:
		return "the first that has a value of " + strings.Join(f.Rule.From, ", then ")
	case mesh.MostRecent:
		return "the newest value" + of
	case mesh.Min:
		return "the least value" + of
	case mesh.Max:
		return "the greatest value" + of
	case mesh.Sum:
		return "the sum of all rows" + of
	case mesh.Count:
		return "how many rows" + of + " have a value"
	}
	return "one stream sets the field"
}

// reason says why a row lost; winner is nil where nothing won.
func reason(f *mesh.Field, winner, loser *schemas.SourceRef) string {
	rank := func(s *schemas.SourceRef) int {
		system, _, _ := strings.Cut(s.Stream, ".")
		return slices.IndexFunc(f.Rule.From, func(name string) bool { return name == s.Stream || name == system })
	}
	switch {
	case f.Group != "":
		return "the row that won " + f.Group + " has the say"
	case f.Rule.Name == mesh.Owner && rank(loser) < 0:
		return fmt.Sprintf("%s owns the field", strings.Join(f.Rule.From, ", "))
	case winner == nil:
		return "no row won"
	case f.Rule.Name == mesh.Priority && rank(winner) != rank(loser):
		return fmt.Sprintf("%s comes before %s", nameOf(f, rank(winner), winner), nameOf(f, rank(loser), loser))
	case f.Rule.Name == mesh.MostRecent && winner.SourceTime > loser.SourceTime:
		return "it is older by " + rounded(micros(winner.SourceTime).Sub(micros(loser.SourceTime))).String()
	}
	return "equal in rank: stream, block and source key decide"
}

// rounded keeps what people read of a time span.
func rounded(d time.Duration) time.Duration {
	if d > time.Minute {
		return d.Round(time.Second)
	}
	return d
}

// nameOf is the name by which the rule ranks a source. One that it does not name is there while a
// changed rule is being built and the views of the one before still answer.
func nameOf(f *mesh.Field, rank int, s *schemas.SourceRef) string {
	if rank < 0 || rank >= len(f.Rule.From) {
		return s.Stream
	}
	return f.Rule.From[rank]
}
