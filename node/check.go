package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/mesh"
	"tributary/mesh/expr"
	"tributary/processors/normalize"
)

// discoverWithin bounds how long a system may take to describe its streams.
const discoverWithin = 20 * time.Second

// A SystemError says why the streams of a system could not be described; what its owner must mend
// is an *ingest.Fault, joined where there are several.
type SystemError struct {
	System string
	Err    error
}

// CheckColumns asks every system for its streams' columns and type-checks all expressions over
// rows against them. It changes nothing. Streams of a system that failed are passed over.
func CheckColumns(ctx context.Context, m *mesh.Mesh) (mesh.Faults, []SystemError) {
	found := make([]map[*mesh.Stream][]expr.Column, len(m.Systems))
	errs := make([]error, len(m.Systems))
	var g errgroup.Group
	for i, sys := range m.Systems {
		g.Go(func() error {
			found[i], errs[i] = columnsOf(ctx, m.Name, sys)
			return nil
		})
	}
	_ = g.Wait() // errors stand in errs: one system's does not hide another's
	var failed []SystemError
	columns := map[*mesh.Stream][]expr.Column{}
	for i, sys := range m.Systems {
		if errs[i] != nil {
			failed = append(failed, SystemError{sys.Name, errs[i]})
		}
		for stream, cols := range found[i] {
			columns[stream] = cols
		}
	}
	var faults mesh.Faults
	for _, e := range m.Entities {
		err := e.CheckColumns(func(s *mesh.Stream) ([]expr.Column, bool) {
			cols, ok := columns[s]
			return cols, ok
		})
		var more mesh.Faults
		if errors.As(err, &more) {
			faults = append(faults, more...)
		}
	}
	return faults, failed
}

// columnsOf gives the columns of a system's streams, as expressions over their rows see them.
func columnsOf(ctx context.Context, meshName string, sys *mesh.System) (map[*mesh.Stream][]expr.Column, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverWithin)
	defer cancel()
	open, err := opener(meshName, sys)
	if err != nil {
		return nil, err
	}
	source, err := open(ctx)
	if err != nil {
		return nil, err
	}
	if c, ok := source.(interface{ Close() error }); ok {
		defer c.Close()
	}
	contracts, err := source.Discover(ctx)
	if err != nil {
		return nil, err
	}
	return contractColumns(sys, contracts)
}

func contractColumns(sys *mesh.System, contracts []ingest.Contract) (map[*mesh.Stream][]expr.Column, error) {
	out := map[*mesh.Stream][]expr.Column{}
	for _, c := range contracts {
		stream := sys.Streams[c.Stream]
		r, err := normalize.CompileEnvelope(c.ValueSchema)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", stream.ID(), err)
		}
		out[stream] = r.Expr()
	}
	return out, nil
}
