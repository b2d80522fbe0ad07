package rest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"tributary/schemas"
	"tributary/serve/catalog"
	"tributary/serve/freshness"
	"tributary/serve/rowmeta"
	"tributary/sinks/views"
)

// Why is the answer of /v1/_why/{entity}/{id}: where each value of one entity comes from.
type Why struct {
	Entity          string     `json:"entity"`
	ID              string     `json:"id"`
	Version         string     `json:"version"`
	State           string     `json:"state"`
	VerifiedThrough *time.Time `json:"verifiedThrough"`
	StalenessMs     *int64     `json:"stalenessMs"`
	// Held lists source rows of the entity that lie in the dead letters (I10).
	Held   []HeldRow  `json:"held"`
	Fields []WhyField `json:"fields"`
}

// HeldRow is a source row that lies in the dead letters.
type HeldRow struct {
	System    string    `json:"system"`
	Stream    string    `json:"stream"`
	SourceKey string    `json:"sourceKey"`
	DeadID    string    `json:"deadLetter"`
	Time      time.Time `json:"time"` // the entity is not verified beyond it
}

// WhyField says where the value of a field comes from, or of one locale of it.
type WhyField struct {
	Entity string          `json:"entity"`
	ID     string          `json:"id"`
	Field  string          `json:"field"` // as the manifest writes it
	Locale string          `json:"locale,omitempty"`
	Value  json.RawMessage `json:"value"`
	Rule   string          `json:"rule"`
	// Winner is null where no single row won: aggregates, or no value.
	Winner *SourceRow  `json:"winner"`
	Losers []SourceRow `json:"losers"` // the first eight
	// LoserCount counts all losers where there are more than are listed.
	LoserCount int64 `json:"loserCount,omitempty"`
	// Inputs are the first rows that an aggregate was made of; InputCount counts all.
	Inputs     []SourceRow `json:"inputs,omitempty"`
	InputCount *int64      `json:"inputCount,omitempty"`
	// Override is what an operator set in place of the rule's value; null: nothing.
	Override json.RawMessage `json:"override"`
	Conflict bool            `json:"conflict"`
	// Because is the rule in words.
	Because string `json:"because,omitempty"`
}

// SourceRow is one source row's part in a field.
type SourceRow struct {
	System     string          `json:"system"`
	Stream     string          `json:"stream"` // "<system>.<stream>"
	SourceKey  string          `json:"sourceKey"`
	Value      json.RawMessage `json:"value,omitempty"` // absent of an aggregate's inputs
	Position   string          `json:"position"`
	SourceTime time.Time       `json:"sourceTime"`
	CommitTime time.Time       `json:"commitTime"`
	TxID       *int64          `json:"txId"` // null: unknown
	// Reason says why the row lost.
	Reason string `json:"reason,omitempty"`
}

// why answers /v1/_why/{entity}/{id}?field=F&locale=L. It is for operators: it shows what source
// rows said, personal data included, as /v1/<plural> does.
func (s *Server) why(w http.ResponseWriter, req *http.Request) {
	e, p := s.whyEntity(chi.URLParam(req, "entity"))
	if p != nil {
		WriteProblem(w, p)
		return
	}
	field, locale, p := whyParameters(e, req)
	id, err := idOf(req)
	if p == nil && err != nil {
		p = NotFound("The id in the path cannot be read: escape it as RFC 3986 says.")
	}
	var out *Why
	if p == nil {
		out, p = s.explain(req.Context(), e, id, field)
	}
	var body []byte
	if p == nil {
		if p = out.keep(locale); p == nil {
			if body, err = json.Marshal(out); err != nil {
				p = s.failed(e.Entity.Name, err)
			}
		}
	}
	if p != nil {
		WriteProblem(w, p)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// whyEntity finds an entity by its name in the manifest, or outside.
func (s *Server) whyEntity(name string) (*catalog.Entity, *Problem) {
	var known []string
	for _, e := range s.Catalog.Entities {
		if e.Entity.Name == name || e.Single == name || e.Path == name {
			return e, nil
		}
		known = append(known, e.Entity.Name)
	}
	p := NotFound(fmt.Sprintf("There is no entity %q%s", short(name), catalog.Suggest(name, known)))
	p.Allowed = known
	return nil, p
}

func whyParameters(e *catalog.Entity, req *http.Request) (field *catalog.Field, locale string, p *Problem) {
	for name, values := range req.URL.Query() {
		value := values[len(values)-1]
		switch name {
		case "field":
			r := &request{entity: e}
			if field, p = r.field("field", value); p != nil {
				return nil, "", p
			}
		case "locale":
			locale = value
		default:
			return nil, "", badParameter("unknown-parameter", "Unknown parameter", short(name), "There is no parameter "+short(name), "field", "locale")
		}
	}
	if locale != "" && (field == nil || !field.Localized) {
		return nil, "", badParameter("bad-parameter", "A parameter cannot be used", "locale", "locale needs a field that is localized")
	}
	return field, locale, nil
}

// keep leaves one locale of a field.
func (out *Why) keep(locale string) *Problem {
	if locale == "" {
		return nil
	}
	var known []string
	for _, f := range out.Fields {
		if f.Locale == locale {
			out.Fields = []WhyField{f}
			return nil
		}
		known = append(known, f.Locale)
	}
	detail := fmt.Sprintf("%s %s has no value in the locale %q", out.Entity, out.ID, short(locale))
	if len(known) > 0 {
		detail += catalog.Suggest(locale, known)
	}
	p := NotFound(detail)
	p.Allowed = known
	return p
}

// explain reads an entity and tells where its values come from; field nil means all.
func (s *Server) explain(ctx context.Context, e *catalog.Entity, id string, field *catalog.Field) (*Why, *Problem) {
	snap, now := s.Freshness.Snapshot(e.Entity.Name), s.Freshness.Now() // before the row is read (I4)
	value, err := catalog.Parse(e.Key.Type, id)
	if err != nil {
		return nil, NotFound(fmt.Sprintf("There is no %s with this %s: %s.", e.Single, e.Key.Name, err))
	}
	row, err := s.whyRow(ctx, e, value)
	if err == nil && row == nil {
		return nil, s.nothing(ctx, e, id, value, snap.View(snap.PartitionOf(fmt.Sprint(value)), freshness.BoundsOf(nil), now))
	}
	if err != nil {
		return nil, s.failed(e.Entity.Name, err)
	}
	out := &Why{Entity: e.Entity.Name, ID: row.id, Held: []HeldRow{}, Fields: []WhyField{}}
	out.Version = strings.Trim(string(rowmeta.AppendVersion(nil, views.Version{Generation: row.meta.Generation,
		Partition: row.meta.Partition, Offset: row.meta.Offset, N: row.meta.N})), `"`)
	held := make([]freshness.Held, 0, len(row.meta.Held))
	for _, h := range row.meta.Held {
		system, _, _ := strings.Cut(h.Stream, ".")
		at := micros(h.Time)
		out.Held = append(out.Held, HeldRow{System: system, Stream: h.Stream, SourceKey: h.SourceKey, DeadID: h.DLQID, Time: at})
		held = append(held, freshness.Held{Stream: h.Stream, Time: at})
	}
	reading := snap.Row(row.meta.Partition, held, freshness.BoundsOf(e.Entity.Fields), now)
	out.State = reading.State.String()
	out.VerifiedThrough, out.StalenessMs = known(reading, now)
	if err := row.explain(e, field, out); err != nil {
		return nil, s.failed(e.Entity.Name, err)
	}
	return out, nil
}

// A whyRow is a row of a view with its provenance.
type whyRow struct {
	id     string
	values map[string]json.RawMessage // by outside name
	meta   schemas.Meta
}

// whyRow reads a row; nil where there is none.
func (s *Server) whyRow(ctx context.Context, e *catalog.Entity, id any) (*whyRow, error) {
	q := &query{Query: views.Query{Entity: e.Entity}}
	q.Select = append(q.Select, views.Item{As: "_meta", MetaMark: s.mark, MetaBlob: true})
	for _, f := range e.Fields {
		q.Select = append(q.Select, views.Item{As: f.Name, Field: f.Field})
	}
	q.Where = &views.Cond{Op: views.Eq, Field: e.Key.Field, Arg: q.arg(id)}
	stmt, err := s.Statements.Statement(ctx, &q.Query)
	if err != nil {
		return nil, err
	}
	var row *whyRow
	err = stmt.Run(ctx, q.args, func(text, _ []byte) (err error) {
		row, err = readWhyRow(text, s.mark)
		return err
	})
	return row, err
}

// readWhyRow takes apart a row as views.Item.Meta says.
func readWhyRow(text []byte, mark string) (*whyRow, error) {
	row := &whyRow{}
	if err := json.Unmarshal(slices.Clone(text), &row.values); err != nil {
		return nil, err
	}
	var marks map[string][]json.RawMessage
	if err := json.Unmarshal(row.values["_meta"], &marks); err != nil {
		return nil, fmt.Errorf("%w: %w", rowmeta.ErrMark, err)
	}
	parts := marks[mark]
	if len(parts) != 8 {
		return nil, rowmeta.ErrMark
	}
	var blob string
	err := errors.Join(json.Unmarshal(parts[1], &row.id), json.Unmarshal(parts[7], &blob))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", rowmeta.ErrMark, err)
	}
	body, err := hex.DecodeString(blob)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", rowmeta.ErrMark, err)
	}
	row.meta, err = schemas.DecodeMeta(body)
	return row, err
}

// nothing says that there is no such entity, and which ids are near.
func (s *Server) nothing(ctx context.Context, e *catalog.Entity, id string, value any, view freshness.Reading) *Problem {
	detail := fmt.Sprintf("There is no %s with the %s %q.", e.Single, e.Key.Name, short(id))
	near, err := s.near(ctx, e, value)
	if err != nil {
		return s.failed(e.Entity.Name, err)
	}
	if len(near) > 0 {
		detail += " Next to it are " + strings.Join(near, ", ") + "."
	}
	if view.State != freshness.Live {
		detail += " The view is " + view.State.String() + ": what is on its way may be missing."
	}
	p := NotFound(detail)
	p.Allowed = near
	return p
}

// near gives the ids that stand around one that does not exist.
func (s *Server) near(ctx context.Context, e *catalog.Entity, value any) ([]string, error) {
	var out []string
	for _, side := range []struct {
		op   views.CondOp
		desc bool
	}{{views.Lt, true}, {views.Gt, false}} {
		q := &query{Query: views.Query{Entity: e.Entity, Select: []views.Item{{As: "id", Field: e.Key.Field}},
			Order: []views.Order{{Field: e.Key.Field, Desc: side.desc}}}}
		q.Where = &views.Cond{Op: side.op, Field: e.Key.Field, Arg: q.arg(value)}
		q.First = q.arg(int64(2))
		stmt, err := s.Statements.Statement(ctx, &q.Query)
		if err != nil {
			return nil, err
		}
		err = stmt.Run(ctx, q.args, func(text, _ []byte) error {
			var row map[string]json.RawMessage
			err := json.Unmarshal(slices.Clone(text), &row)
			out = append(out, strings.Trim(string(row["id"]), `"`))
			return err
		})
		if err != nil {
			return nil, err
		}
		if side.desc {
			slices.Reverse(out)
		}
	}
	return out, nil
}

func micros(us int64) time.Time { return time.UnixMicro(us).UTC() }
