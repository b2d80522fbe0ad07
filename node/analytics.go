package node

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	engine "tributary/deploy/clickhouse"
	"tributary/mesh"
	"tributary/sinks/clickhouse"
	"tributary/topics"
)

// noAnalytics is the manifest's word for a mesh without ClickHouse.
const noAnalytics = "none"

// startAnalytics writes telemetry, conflicts and field changes to ClickHouse, the embedded
// engine or another. Neither its start nor its death holds anything else up (I7).
func (n *node) startAnalytics(ctx context.Context, g *errgroup.Group) error {
	url := n.Mesh.Analytics.ClickHouse.Reveal()
	switch url {
	case noAnalytics:
		return nil
	case mesh.Embedded:
		return n.startEngine(ctx, g)
	}
	n.addrs.ClickHouse = n.Mesh.Analytics.ClickHouse.String()
	return n.startAnalyticsSink(ctx, g, url)
}

// startEngine runs the embedded engine as a child process and follows it with the sink.
func (n *node) startEngine(ctx context.Context, g *errgroup.Group) error {
	lib, err := engine.Fetch(ctx, "")
	if err != nil {
		return fmt.Errorf("embedded ClickHouse: %w (or set analytics.clickhouse to none)", err)
	}
	cfg := engine.Config{LibPath: lib, Dir: n.path("clickhouse"), Addr: n.Addrs.ClickHouse, Log: n.Log}
	started := make(chan *engine.Process, 1)
	g.Go(func() error {
		return engine.Supervise(ctx, cfg, func(p *engine.Process) {
			select {
			case started <- p:
			default:
			}
		})
	})
	select {
	case p := <-started:
		n.addrs.ClickHouse = p.URL()
	case <-ctx.Done():
		return ctx.Err()
	}
	return n.startAnalyticsSink(ctx, g, n.addrs.ClickHouse)
}

func (n *node) startAnalyticsSink(ctx context.Context, g *errgroup.Group, url string) error {
	letters, err := n.cluster.Client(kgo.DefaultProduceTopic(n.names.DLQ(dlqSink)))
	if err != nil {
		return err
	}
	personal := map[string]bool{}
	for _, e := range n.Mesh.Entities {
		for _, f := range e.Fields {
			personal[e.Name+"."+f.Name] = f.Classification != ""
		}
	}
	sink, err := clickhouse.New(clickhouse.Config{Names: n.names, Client: n.cluster.Client, URL: url, Recorder: n.recorder, Log: n.Log,
		Mask: func(entity, field string) bool { return personal[entity+"."+field] },
		DeadLetter: func(ctx context.Context, r *kgo.Record, reason error) error {
			return letters.ProduceSync(ctx, topics.DeadLetter(n.names.DLQ(dlqSink), r, "analytics", reason)).FirstErr()
		}})
	if err != nil {
		letters.Close()
		return err
	}
	g.Go(func() error {
		defer letters.Close()
		return sink.Run(ctx)
	})
	return nil
}

// dlqSink is the stage whose dead letters are records that ClickHouse could not take.
const dlqSink = "sink"
