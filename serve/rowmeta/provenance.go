package rowmeta

import (
	"strings"
	"time"

	"tributary/mesh"
	"tributary/schemas"
)

// A Provenance says where the value of one field comes from.
type Provenance struct {
	Name      string // as the manifest writes it
	Locale    string // "" unless the field is localized
	System    string // "" where no single row won (aggregates)
	Stream    string // "<system>.<stream>"
	SourceKey string
	Rule      string
	ChangedAt time.Time // source time of the winner; zero: unknown
	Conflict  bool
}

// A Decode reads the provenance out of views.Row.Meta of a row of the entity.
type Decode func(meta []byte, e *mesh.Entity) ([]Provenance, error)

// FromSchemas decodes the body of a schemas.Meta.
func FromSchemas(body []byte, _ *mesh.Entity) ([]Provenance, error) {
	m, err := schemas.DecodeMeta(body)
	if err != nil {
		return nil, err
	}
	out := make([]Provenance, 0, len(m.Fields))
	for i := range m.Fields {
		f := &m.Fields[i]
		p := Provenance{Name: f.Field, Locale: f.Locale, Rule: f.Rule, Conflict: f.Conflict}
		if w := int(f.Winner); w >= 0 && w < len(m.Sources) {
			src := &m.Sources[w]
			p.Stream, p.SourceKey, p.ChangedAt = src.Stream, src.SourceKey, time.UnixMicro(src.SourceTime)
			p.System, _, _ = strings.Cut(src.Stream, ".")
		} else {
			p.ChangedAt = newestOf(&m, f.Inputs)
		}
		out = append(out, p)
	}
	return out, nil
}

// newestOf gives the newest source time among the rows that an aggregate was made of.
func newestOf(m *schemas.Meta, inputs []int32) (at time.Time) {
	for _, i := range inputs {
		if i < 0 || int(i) >= len(m.Sources) {
			continue
		}
		if t := time.UnixMicro(m.Sources[i].SourceTime); t.After(at) {
			at = t
		}
	}
	return at
}
