package resolve

import (
	"database/sql"
	"fmt"
	"time"

	"tributary/mesh"
	"tributary/processors"
	"tributary/processors/resolve/rules"
	"tributary/schemas"
	"tributary/topics"
)

// history writes the conflicts that begin, change or end and the fields that change with a
// view; new is nil for a tombstone.
func (r *resolver) history(id string, new *schemas.View, out *processors.Output) error {
	var old *schemas.View
	var was, is *schemas.Meta
	if r.old.live {
		meta, err := schemas.DecodeMeta(r.old.meta)
		if err != nil {
			return fmt.Errorf("published _meta: %w", err)
		}
		old = &schemas.View{Values: r.old.values, Meta: meta}
		was = &old.Meta
	}
	if new != nil {
		is = &new.Meta
	}
	r.countConflicts(was, is)
	r.rules.Conflicts(old, new, func(c rules.ConflictChange) { r.conflict(id, old, new, c, out) })
	if r.loaded && old != nil && new != nil {
		r.rules.Changes(old, new, func(field int, locale string, was, is []byte) {
			r.change(id, new, field, locale, was, is, out)
		})
	}
	return nil
}

func (r *resolver) conflict(id string, old, new *schemas.View, c rules.ConflictChange, out *processors.Output) {
	f := r.codec.Entity.Fields[c.Field]
	rec := schemas.Conflict{ConflictKey: schemas.ConflictKey{Entity: r.codec.Entity.Name, ID: id, Field: f.Name, Locale: c.Locale},
		Open: c.Transition != rules.Resolved, Updated: time.Now().UnixMicro()}
	view, p := new, c.New
	if p == nil || !p.Conflict {
		view, p = old, c.Old
	}
	if p != nil {
		rec.Rule = p.Rule
		rec.Winner, rec.Since = r.side(view, f, c.Locale, p.Winner, nil), 0
		for _, l := range p.Losers {
			rec.Losers = append(rec.Losers, r.side(view, f, c.Locale, l.Source, l.Value))
			rec.Since = max(rec.Since, sourceOf(view, l.Source).CommitTime)
		}
		rec.Since = max(rec.Since, sourceOf(view, p.Winner).CommitTime)
	}
	topic := r.cfg.Names.Conflicts()
	partition := topics.Partition([]byte(id), r.cfg.Partitions)
	out.Add(topic, partition, schemas.AppendConflictKey(r.cfg.Frames.Conflicts.Key(nil), rec.ConflictKey),
		schemas.AppendConflict(r.cfg.Frames.Conflicts.Value(nil), &rec))
}

// side renders what a source row says a field is; value nil means the view's own. Values of
// fields that hold personal data are left out (I11).
func (r *resolver) side(view *schemas.View, f *mesh.Field, locale string, source int32, value []byte) schemas.Side {
	s := sourceOf(view, source)
	out := schemas.Side{Stream: s.Stream, SourceKey: s.SourceKey}
	if value == nil {
		value = r.valueOf(view, f, locale)
	}
	out.Value = renderJSON(f, value)
	return out
}

func sourceOf(view *schemas.View, i int32) schemas.SourceRef {
	if i < 0 || int(i) >= len(view.Meta.Sources) {
		return schemas.SourceRef{}
	}
	return view.Meta.Sources[i]
}

// valueOf gives the view's value of a field, or of one locale of it.
func (r *resolver) valueOf(view *schemas.View, f *mesh.Field, locale string) []byte {
	for i, own := range r.codec.Entity.Fields {
		if own != f || view.Values[i] == nil {
			continue
		}
		if !f.Localized {
			return view.Values[i]
		}
		entries, err := schemas.AppendLocales(nil, f.Type, view.Values[i])
		if err != nil {
			return nil
		}
		for _, e := range entries {
			if string(e.Locale) == locale {
				return e.Value
			}
		}
	}
	return nil
}

// masked stands for a value that is personal data.
const masked = `"***"`

func renderJSON(f *mesh.Field, value []byte) string {
	switch {
	case value == nil:
		return "null"
	case f.Classification == "pii":
		return masked
	}
	text, err := schemas.AppendJSON(nil, f.Type, value)
	if err != nil {
		return "null"
	}
	return string(text)
}

func (r *resolver) change(id string, new *schemas.View, field int, locale string, was, is []byte, out *processors.Output) {
	f := r.codec.Entity.Fields[field]
	m := &new.Meta
	c := schemas.Change{ChangeKey: schemas.ChangeKey{Entity: r.codec.Entity.Name, ID: id}, Field: f.Name, Locale: locale,
		Version:   schemas.Version{Generation: m.Generation, Partition: m.Partition, Offset: m.Offset, N: m.N},
		ChangedAt: time.Now().UnixMicro()}
	if was != nil {
		c.Old = sql.NullString{String: renderJSON(f, was), Valid: true}
	}
	if is != nil {
		c.New = sql.NullString{String: renderJSON(f, is), Valid: true}
	}
	for i := range m.Fields {
		if p := &m.Fields[i]; p.Field == f.Name && p.Locale == locale && p.Winner >= 0 {
			s := m.Sources[p.Winner]
			c.Stream, c.SourceKey = s.Stream, s.SourceKey
			c.SourceTime = sql.NullInt64{Int64: s.CommitTime, Valid: true}
		}
	}
	out.Add(r.cfg.Names.Changes(), topics.Partition([]byte(id), r.cfg.Partitions),
		schemas.AppendChangeKey(r.cfg.Frames.Changes.Key(nil), c.ChangeKey), schemas.AppendChange(r.cfg.Frames.Changes.Value(nil), &c))
}
