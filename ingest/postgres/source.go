package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tributary/ingest"
	"tributary/mesh"
	"tributary/topics"
)

type fault = ingest.Fault

// source is one Postgres database, captured through one slot.
type source struct {
	mesh   string
	system *mesh.System
	tuning Tuning
	config *pgx.ConnConfig
	slot   string // name of the slot and of the publication
}

// Open makes the Source of a Postgres system with default tuning. It does not connect yet; each
// method of the Source opens and closes what it needs.
func Open(ctx context.Context, opts ingest.Options) (ingest.Source, error) {
	return OpenTuned(ctx, opts, Tuning{})
}

// OpenTuned is Open with tuning.
func OpenTuned(_ context.Context, opts ingest.Options, tuning Tuning) (ingest.Source, error) {
	return newSource(opts, tuning)
}

func newSource(opts ingest.Options, tuning Tuning) (*source, error) {
	tuning.EnsureDefaults()
	if err := tuning.Validate(); err != nil {
		return nil, fmt.Errorf("system %s: %w", opts.System.Name, err)
	}
	s := &source{mesh: opts.Mesh, system: opts.System, tuning: tuning, slot: objectName(opts.Mesh, opts.System.Name)}
	if err := s.parseConnection(); err != nil {
		return nil, err
	}
	return s, nil
}

// subject names the system in errors.
func (s *source) subject() string { return "system " + s.system.Name }

// streamSubject names a stream in errors.
func (s *source) streamSubject(i int) string {
	st := s.system.Streams[i]
	return fmt.Sprintf("stream %s (%s)", st.ID(), st.Table)
}

// topic is the raw topic of a stream.
func (s *source) topic(i int) string {
	return topics.Names(s.mesh).Raw(s.system.Name, s.system.Streams[i].Name)
}
