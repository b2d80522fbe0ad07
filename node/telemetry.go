package node

import (
	"context"
	"fmt"
	"os"
	"strings"

	"crypto/rand"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// startTelemetry writes the stages' samples to the telemetry topic.
func (n *node) startTelemetry(ctx context.Context, g *errgroup.Group) error {
	cl, err := n.cluster.Client(kgo.DefaultProduceTopic(n.names.Telemetry()))
	if err != nil {
		return err
	}
	g.Go(func() error {
		defer cl.Close()
		return n.recorder.Run(ctx, n.names.Telemetry(), n.frames.telemetry, func(ctx context.Context, records ...*kgo.Record) error {
			return cl.ProduceSync(ctx, records...).FirstErr()
		})
	})
	return nil
}

// instanceName reads the process's name among those of the mesh, making one the first time.
func instanceName(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	name := strings.ToLower(rand.Text()[:8])
	if err := os.WriteFile(path, []byte(name+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("name of this instance: %w", err)
	}
	return name, nil
}
