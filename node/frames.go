package node

import (
	"context"

	"tributary/processors/normalize"
	"tributary/schemas"
	"tributary/topics"
)

// frames hold the schema ids of everything that a process writes.
type frames struct {
	positions, claims, requests, conflicts, changes, telemetry topics.Frame
	contributions, views                                       map[string]topics.Frame // by entity
	keys                                                       map[string]topics.Frame // by stream id
}

// register registers the schemas of all topics but the raw ones, whose drivers do it.
func (n *node) register(ctx context.Context) (f frames, err error) {
	f.contributions, f.views, f.keys = map[string]topics.Frame{}, map[string]topics.Frame{}, map[string]topics.Frame{}
	add := func(to *topics.Frame, topic, key, value string) {
		if err == nil {
			*to, err = topics.NewFrame(ctx, n.registry, topic, key, value)
		}
	}
	add(&f.positions, n.names.Positions(), topics.PositionKeySchema, topics.PositionRecordSchema)
	add(&f.claims, n.names.Claims(), topics.ClaimKeySchema, topics.ClaimSchema)
	add(&f.requests, n.names.Requests(), topics.RequestKeySchema, topics.RequestSchema)
	add(&f.conflicts, n.names.Conflicts(), schemas.ConflictKeySchema, schemas.ConflictSchema)
	add(&f.changes, n.names.Changes(), schemas.ChangeKeySchema, schemas.ChangeSchema)
	add(&f.telemetry, n.names.Telemetry(), topics.SampleKeySchema, topics.SampleSchema)
	for _, e := range n.Mesh.Entities {
		codec, g := n.codecs[e.Name], n.generation(e.Name)
		var c, v topics.Frame
		add(&c, n.names.Contributions(e.Name, g), schemas.ContributionKeySchema(), codec.ContributionSchema())
		add(&v, n.names.ViewOf(e.Name, g), codec.ViewKeySchema(), codec.ViewSchema())
		f.contributions[e.Name], f.views[e.Name] = c, v
	}
	for _, r := range contributing(n.Mesh) {
		if err != nil {
			return f, err
		}
		// Keys of state.keys are the raw keys as they are, schema and all.
		id, regErr := n.registry.Register(ctx, n.names.Keys(r.stream.ID(), r.generation(n.generation))+"-value", normalize.KeysSchema)
		f.keys[r.stream.ID()], err = topics.Frame{ValueID: id}, regErr
	}
	return f, err
}
