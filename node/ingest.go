package node

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"tributary/ingest"
	"tributary/ingest/postgres"
	"tributary/mesh"
)

// startIngest captures every system.
func (n *node) startIngest(ctx context.Context, g *errgroup.Group) error {
	scratch := n.path("scratch")
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return err
	}
	for _, sys := range n.Mesh.Systems {
		open, err := opener(n.Mesh.Name, sys)
		if err != nil {
			return err
		}
		cfg := ingest.Config{Names: n.names, System: sys, Partitions: n.partitions, Cluster: n.cluster, Requests: n.requests, Registry: n.registry,
			State: ingest.StateFrames{Positions: n.frames.positions, Claims: n.frames.claims},
			Open:  open, Dir: scratch, Log: n.Log, Meter: &ingestMeter{n.recorder, sys.Name}, Observer: n.watch.of(sys)}
		g.Go(func() error { return ingest.Run(ctx, cfg) })
	}
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
