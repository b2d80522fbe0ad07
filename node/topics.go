package node

import (
	"time"

	"tributary/mesh"
	"tributary/topics"
)

const week = 7 * 24 * time.Hour

// stateSpecs are the topics that say where a mesh stands.
func stateSpecs(m *mesh.Mesh, names topics.Names) []topics.Spec {
	out := []topics.Spec{topics.Compacted(names.Positions(), 1, m.MaxOutage),
		topics.Compacted(names.Claims(), 1, m.MaxOutage), topics.Compacted(names.Requests(), 1, m.MaxOutage)}
	for _, s := range out {
		// They have few keys and very many records: small segments are cleaned early.
		s.Config["segment.bytes"] = "16777216"
	}
	return out
}

// dataSpecs are the topics of a mesh's data, conflicts, changes, telemetry and dead letters.
func dataSpecs(m *mesh.Mesh, names topics.Names, partitions int32, generation func(entity string) uint32) []topics.Spec {
	compacted := func(name string, n int32) topics.Spec { return topics.Compacted(name, n, m.MaxOutage) }
	out := []topics.Spec{
		compacted(names.Conflicts(), partitions),
		topics.Deleted(names.Changes(), partitions, 90*24*time.Hour),
		topics.Deleted(names.Telemetry(), 1, week),
	}
	for _, stage := range dlqStages() {
		out = append(out, topics.Deleted(names.DLQ(stage), 1, 52*week))
	}
	for _, sys := range m.Systems {
		for _, s := range sys.Streams {
			out = append(out, compacted(names.RawID(s.ID()), partitions))
		}
	}
	for _, e := range m.Entities {
		g := generation(e.Name)
		out = append(out, compacted(names.Contributions(e.Name, g), partitions), compacted(names.ViewOf(e.Name, g), partitions))
	}
	for _, t := range contributing(m) {
		out = append(out, compacted(names.Keys(t.stream.ID(), t.generation(generation)), partitions))
	}
	return out
}

// A route is a stream with the blocks that it contributes to.
type route struct {
	stream *mesh.Stream
	to     []target
}

type target struct {
	entity *mesh.Entity
	block  *mesh.Block
}

// contributing gives the streams that entities use, each with its blocks.
func contributing(m *mesh.Mesh) []route {
	var out []route
	index := map[*mesh.Stream]int{}
	for _, e := range m.Entities {
		for _, b := range e.Contributions {
			i, ok := index[b.From]
			if !ok {
				i = len(out)
				index[b.From] = i
				out = append(out, route{stream: b.From})
			}
			out[i].to = append(out[i].to, target{e, b})
		}
	}
	return out
}

// generation of a route is the highest of its entities': a stream that feeds an entity built
// anew is read anew.
func (r route) generation(of func(entity string) uint32) uint32 {
	g := uint32(1)
	for _, t := range r.to {
		g = max(g, of(t.entity.Name))
	}
	return g
}
