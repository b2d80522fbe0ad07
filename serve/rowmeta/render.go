package rowmeta

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tributary/serve/freshness"
	"tributary/serve/jsontext"
	"tributary/sinks/views"
)

// A Writer writes the _meta of the rows of one answer. It is used by one goroutine.
type Writer struct {
	// Opening is `{"<mark>":[`, which every mark begins with: see OpeningOf.
	Opening []byte
	Decode  Decode
	Specs   []Spec
	// Snapshots holds for each Spec what was known before the rows were read (I4).
	Snapshots []*freshness.Snapshot
	Now       time.Time
	// Names resolves Names.Variable.
	Names func(variable string) Names

	// Seen is the worst freshness among the rows written so far, zero before the first.
	Seen freshness.Reading
	// Version is that of the row written last.
	Version views.Version

	streams []freshness.StreamReading
	blob    []byte
}

// OpeningOf is what marks begin with, given the MetaMark of the query.
func OpeningOf(metaMark string) []byte { return []byte(`{"` + metaMark + `":[`) }

// Append appends a row, its marks replaced.
func (w *Writer) Append(dst, row []byte) ([]byte, error) {
	for {
		at := bytes.Index(row, w.Opening)
		if at < 0 {
			return append(dst, row...), nil
		}
		dst = append(dst, row[:at]...)
		m, rest, err := parseMark(row[at+len(w.Opening):])
		if err != nil {
			return dst, err
		}
		if dst, err = w.meta(dst, &m); err != nil {
			return dst, err
		}
		row = rest
	}
}

// AppendWithout appends a row whose first member is the mark, without that member. What the
// mark says is still taken into Seen and Version.
func (w *Writer) AppendWithout(dst, row []byte) ([]byte, error) {
	at := bytes.Index(row, w.Opening)
	if at < 0 {
		return dst, ErrMark
	}
	m, rest, err := parseMark(row[at+len(w.Opening):])
	if err != nil {
		return dst, err
	}
	if _, _, err := w.reading(&m); err != nil {
		return dst, err
	}
	return append(append(dst, '{'), bytes.TrimLeft(rest, ", ")...), nil
}

// reading gives the freshness of a row and what its mark asks for.
func (w *Writer) reading(m *mark) (*Spec, freshness.Reading, error) {
	if m.spec < 0 || m.spec >= len(w.Specs) {
		return nil, freshness.Reading{}, ErrMark
	}
	spec := &w.Specs[m.spec]
	w.Version = m.version
	reading := w.Snapshots[m.spec].Row(m.partition, m.held, spec.Bounds, w.Now)
	if w.Seen.State == 0 {
		w.Seen = reading
	}
	w.Seen = w.Seen.Worse(reading)
	return spec, reading, nil
}

func (w *Writer) meta(dst []byte, m *mark) ([]byte, error) {
	spec, reading, err := w.reading(m)
	if err != nil {
		return dst, err
	}
	snap := w.Snapshots[m.spec]
	dst = append(dst, '{')
	for i := range spec.Members {
		member := &spec.Members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, member.As)
		switch member.Kind {
		case Version:
			dst = AppendVersion(dst, m.version)
		case DeadLetters:
			dst = strconv.AppendInt(dst, int64(len(m.held)), 10)
		case Streams:
			w.streams = snap.AppendStreams(w.streams[:0], m.partition, m.held, spec.Bounds, w.Now)
			dst = appendStreams(dst, member, w.streams)
		case Fields:
			if dst, err = w.fields(dst, spec, member, m.blob); err != nil {
				return dst, err
			}
		default:
			dst = appendReading(dst, member, reading, w.Now)
		}
	}
	return append(dst, '}'), nil
}

// View appends the freshness of a whole list: of its view and of those that its relations read.
func View(dst []byte, members []Member, snap *freshness.Snapshot, b freshness.Bounds, r freshness.Reading, now time.Time) []byte {
	dst = append(dst, '{')
	for i := range members {
		member := &members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, member.As)
		switch member.Kind {
		case DeadLetters:
			dst = strconv.AppendInt(dst, snap.DeadLetters(), 10)
		case Streams:
			dst = appendStreams(dst, member, snap.AppendStreams(nil, freshness.All, nil, b, now))
		default:
			dst = appendReading(dst, member, r, now)
		}
	}
	return append(dst, '}')
}

// AppendVersion appends a version as a JSON string: generation.partition.offset.n.
func AppendVersion(dst []byte, v views.Version) []byte {
	dst = strconv.AppendUint(append(dst, '"'), uint64(v.Generation), 10)
	dst = strconv.AppendInt(append(dst, '.'), int64(v.Partition), 10)
	dst = strconv.AppendInt(append(dst, '.'), v.Offset, 10)
	dst = strconv.AppendUint(append(dst, '.'), uint64(v.N), 10)
	return append(dst, '"')
}

func appendReading(dst []byte, m *Member, r freshness.Reading, now time.Time) []byte {
	switch m.Kind {
	case Typename:
		return jsontext.AppendString(dst, m.Typename)
	case VerifiedThrough:
		return jsontext.AppendTime(dst, r.Through)
	case StalenessMs:
		if stale, ok := r.Staleness(now); ok {
			return strconv.AppendInt(dst, stale.Milliseconds(), 10)
		}
	case StateName:
		return jsontext.AppendString(dst, r.State.String())
	}
	return append(dst, "null"...)
}

func appendStreams(dst []byte, m *Member, streams []freshness.StreamReading) []byte {
	dst = append(dst, '[')
	for i, s := range streams {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		for j := range m.Sub {
			sub := &m.Sub[j]
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = jsontext.AppendKey(dst, sub.As)
			if sub.Kind == Name {
				dst = jsontext.AppendString(dst, s.Name)
				continue
			}
			dst = appendReading(dst, sub, s.Reading, time.Time{})
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func (w *Writer) fields(dst []byte, spec *Spec, m *Member, blobHex []byte) ([]byte, error) {
	if cap(w.blob) < len(blobHex)/2 {
		w.blob = make([]byte, len(blobHex)/2)
	}
	n, err := hex.Decode(w.blob[:cap(w.blob)], blobHex)
	if err != nil {
		return dst, fmt.Errorf("%w: provenance: %w", ErrMark, err)
	}
	provenance, err := w.Decode(w.blob[:n], spec.Entity.Entity)
	if err != nil {
		return dst, fmt.Errorf("provenance of a row of entity %s: %w", spec.Entity.Entity.Name, err)
	}
	names := m.Names
	if names.Variable != "" {
		names = w.Names(names.Variable)
	}
	dst = append(dst, '[')
	first := true
	for i := range provenance {
		p := &provenance[i]
		name := p.Name
		if f := spec.Entity.Field(p.Name); f != nil {
			name = f.Name
		}
		if !names.All && !slices.Contains(names.List, name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendProvenance(dst, m.Sub, name, p)
	}
	return append(dst, ']'), nil
}

func appendProvenance(dst []byte, members []Member, name string, p *Provenance) []byte {
	dst = append(dst, '{')
	for i := range members {
		m := &members[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendKey(dst, m.As)
		switch m.Kind {
		case Typename:
			dst = jsontext.AppendString(dst, m.Typename)
		case Name:
			dst = jsontext.AppendString(dst, name)
		case Locale:
			dst = appendText(dst, p.Locale)
		case System:
			dst = appendText(dst, p.System)
		case Stream:
			dst = appendText(dst, p.Stream)
		case SourceKey:
			dst = appendText(dst, p.SourceKey)
		case Rule:
			dst = jsontext.AppendString(dst, p.Rule)
		case ChangedAt:
			dst = jsontext.AppendTime(dst, p.ChangedAt)
		case Conflict:
			dst = strconv.AppendBool(dst, p.Conflict)
		}
	}
	return append(dst, '}')
}

// appendText appends a string, or null for none.
func appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, "null"...)
	}
	return jsontext.AppendString(dst, s)
}
