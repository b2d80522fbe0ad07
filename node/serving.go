package node

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"tributary/schemas"
	"tributary/sinks/views"
	"tributary/topics"
)

// startServing follows the views into this process's store and answers requests from it.
func (n *node) startServing(ctx context.Context, g *errgroup.Group) error {
	var err error
	if n.ready, err = n.newReadiness(ctx); err != nil {
		return err
	}
	codecs := make([]*schemas.EntityCodec, 0, len(n.Mesh.Entities))
	for _, e := range n.Mesh.Entities {
		codecs = append(codecs, n.codecs[e.Name])
	}
	sink := &views.Sink{Store: n.views, Cluster: n.cluster, Follower: n.follower, Names: n.names, Codecs: codecs,
		Generation: n.generation, Partitions: n.partitions, MaxOutage: n.Mesh.MaxOutage, Log: n.Log,
		Applied: n.applied, Failed: func(error) { n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink}).Error() }}
	g.Go(func() error { return sink.Run(ctx) })
	return n.startGateway(ctx, g)
}

// applied tells everyone who waits for views what the store holds now.
func (n *node) applied(a views.Applied) {
	if err := n.tracker.Update(a.Entity, a.Partition, a.Frontiers); err != nil {
		n.Log.Error().Err(err).Str("entity", a.Entity).Msg("freshness")
	}
	n.ready.applied(a)
	series := n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink, Entity: a.Entity, Partition: a.Partition})
	if a.Rows > 0 {
		series.Add(int64(a.Rows), a.Bytes)
		series.SetLag(a.Lag, 0)
	}
	for _, f := range a.Frontiers {
		if !f.Through.IsZero() {
			n.recorder.Series(topics.SeriesKey{Stage: topics.StageSink, Entity: a.Entity, Stream: f.Stream, Partition: a.Partition}).SetVerified(f.Through.UnixMicro())
		}
	}
}

// announceEvery is how often readiness is looked at.
const announceEvery = 20 * time.Millisecond
