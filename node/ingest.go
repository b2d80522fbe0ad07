package node

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/ingest/placement"
	"tributary/ingest/postgres"
	"tributary/mesh"
)

// startIngest captures the systems that are placed in this process.
func (n *node) startIngest(ctx context.Context, g *errgroup.Group) error {
	scratch := n.path("scratch")
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	if err := placement.Ensure(ctx, n.cluster, n.names, len(n.Mesh.Systems)); err != nil {
		return err
	}
	captures := map[string]placement.Capture{}
	for _, sys := range n.Mesh.Systems {
		open, err := opener(n.Mesh.Name, sys)
		if err != nil {
			return err
		}
		cfg := ingest.Config{Names: n.names, System: sys, Partitions: n.partitions, Cluster: n.cluster, Requests: n.requests, Registry: n.registry,
			State: ingest.StateFrames{Positions: n.frames.positions, Claims: n.frames.claims},
			Open:  open, Dir: scratch, Log: n.Log, Meter: &ingestMeter{n.recorder, sys.Name}, Observer: connectionWatch{n.watch, n.halt, sys}}
		captures[sys.Name] = func(ctx context.Context, owned func(context.Context) error) error {
			cfg := cfg
			cfg.Owned = owned
			return ingest.Run(ctx, cfg)
		}
	}
	g.Go(func() error {
		return placement.Run(ctx, placement.Config{Cluster: n.cluster, Names: n.names, Instance: n.Instance, Log: n.Log, Captures: captures})
	})
	return nil
}

// opener gives the driver of a system's kind.
func opener(meshName string, sys *mesh.System) (ingest.Opener, error) {
	switch sys.Kind {
	case "postgres":
		return func(ctx context.Context) (ingest.Source, error) {
			return postgres.Open(ctx, ingest.Options{Mesh: meshName, System: sys})
		}, nil
	}
	return nil, fmt.Errorf("system %s: no driver for kind %q", sys.Name, sys.Kind)
}
