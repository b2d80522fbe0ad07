package node

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"tributary/processors"
	"tributary/processors/normalize"
	"tributary/processors/resolve"
	"tributary/topics"
)

// startProcessing runs normalize for each stream that entities use, and resolve for each entity.
func (n *node) startProcessing(ctx context.Context, g *errgroup.Group) error {
	for _, r := range contributing(n.Mesh) {
		stage := n.normalizeStage(r)
		g.Go(func() error { return stage.Run(ctx) })
	}
	for _, e := range n.Mesh.Entities {
		stage := n.resolveStage(e.Name)
		g.Go(func() error { return stage.Run(ctx) })
	}
	return nil
}

func (n *node) stage(name, subject string, generation uint32) *processors.Stage {
	base := fmt.Sprintf("%s.%s.%s.g%d", n.Mesh.Name, name, subject, generation)
	return &processors.Stage{
		Name: name, Subject: subject, Group: base, TxnID: base + "." + n.Instance, Instance: n.Instance,
		Cluster: n.cluster, Follower: n.follower, Requests: n.requests, Names: n.names, Claims: n.frames.claims, Log: n.Log,
	}
}

func (n *node) normalizeStage(r route) *processors.Stage {
	g := r.generation(n.generation)
	cfg := normalize.Config{Names: n.names, Stream: r.stream, Generation: g, Partitions: n.partitions,
		Cluster: n.cluster, Store: n.state, Schemas: n.registry, Keys: n.frames.keys[r.stream.ID()], Log: n.Log}
	meter := &stageMeter{recorder: n.recorder, key: topics.SeriesKey{Stage: topics.StageNormalize, System: r.stream.System.Name, Stream: r.stream.ID()}}
	cfg.DeadLettered = meter.Failed
	s := n.stage("normalize", r.stream.ID(), g)
	s.Meter = meter
	s.Input = n.names.RawID(r.stream.ID())
	s.Inputs = map[string][]int32{r.stream.ID(): {0}} // ingest's claims have one input
	s.Outputs = map[string]int32{n.names.Keys(r.stream.ID(), g): n.partitions}
	s.Claimed = map[string]int32{}
	for _, t := range r.to {
		topic := n.names.Contributions(t.entity.Name, n.generation(t.entity.Name))
		s.Outputs[topic], s.Claimed[topic] = n.partitions, n.partitions
		cfg.Targets = append(cfg.Targets, normalize.Target{Codec: n.codecs[t.entity.Name], Block: t.block,
			Topic: topic, Frame: n.frames.contributions[t.entity.Name]})
	}
	s.Open = func(ctx context.Context, partition int32) (processors.Worker, error) {
		return normalize.Open(ctx, cfg, partition)
	}
	return s
}

func (n *node) resolveStage(entity string) *processors.Stage {
	g := n.generation(entity)
	view := n.names.ViewOf(entity, g)
	s := n.stage("resolve", entity, g)
	meter := &stageMeter{recorder: n.recorder, key: topics.SeriesKey{Stage: topics.StageResolve, Entity: entity}}
	s.Meter = meter
	s.Input, s.Own = n.names.Contributions(entity, g), true
	s.Outputs = map[string]int32{view: n.partitions}
	s.Claimed = s.Outputs
	all := make([]int32, n.partitions)
	for p := range all {
		all[p] = int32(p)
	}
	s.Inputs = map[string][]int32{}
	streams := n.codecs[entity].Entity.Streams()
	for _, stream := range streams {
		s.Inputs[stream.ID()] = all // every raw partition writes to every contributions partition
	}
	cfg := resolve.Config{Names: n.names, Codec: n.codecs[entity], Generation: g, Partitions: n.partitions,
		Cluster: n.cluster, Store: n.state, Log: n.Log, Repaired: n.repaired.Inc, Tallied: n.tallied(entity),
		Frames: resolve.Frames{View: n.frames.views[entity], Conflicts: n.frames.conflicts,
			Changes: n.frames.changes, Contributions: n.frames.contributions[entity]},
		Loaded: func(q int32) bool {
			for _, stream := range streams {
				if _, ok := n.follower.Latest(topics.ClaimKey{Topic: view, Stream: stream.ID(), Input: q}); !ok {
					return false
				}
			}
			return true
		}}
	s.Open = func(ctx context.Context, partition int32) (processors.Worker, error) {
		return resolve.Open(ctx, cfg, partition)
	}
	return s
}
