package mesh

import (
	"fmt"
	"strings"
)

// A draft is a manifest between reading and checking: what was read, with the nodes it was read
// from, so that a fault can point at its cause.
type draft struct {
	*collector
	mesh     *Mesh
	header   object
	systems  []systemDraft
	entities []*entityDraft
}

// link resolves the references between documents and fills the mesh.
func (d *draft) link() {
	systems := map[string]systemDraft{}
	streams := map[string]*Stream{}
	for _, s := range d.systems {
		if first, twice := systems[s.Name]; twice && s.Name != "" {
			s.r.fault(s.at("system"), fmt.Sprintf("system %q stands twice", clip(s.Name)), "the first is at "+first.Pos.String())
			continue
		}
		systems[s.Name] = s
		d.mesh.Systems = append(d.mesh.Systems, s.System)
		for _, st := range s.Streams {
			streams[st.ID()] = st
		}
	}
	d.checkTopics()
	entities := map[string]*Entity{}
	for _, e := range d.entities {
		if first := entities[e.Name]; first != nil && e.Name != "" {
			e.r.fault(e.at("entity"), fmt.Sprintf("entity %q stands twice", clip(e.Name)), "the first is at "+first.Pos.String())
			continue
		}
		entities[e.Name] = e.Entity
		d.mesh.Entities = append(d.mesh.Entities, e.Entity)
	}
	for _, e := range d.entities {
		e.linkBlocks(streams)
		e.linkRelations(entities)
	}
}

// checkTopics refuses streams whose raw topics differ only by '.' and '_', which Kafka's metrics
// cannot tell apart.
func (d *draft) checkTopics() {
	seen := map[string]string{}
	for _, s := range d.systems {
		for _, st := range s.streams {
			topic := strings.ReplaceAll(st.ID(), ".", "_")
			if first, twice := seen[topic]; twice && first != st.ID() {
				st.r.fault(st.key, fmt.Sprintf("the topics of %s and %s differ only by . and _, which Kafka's metrics take for the same", first, st.ID()), "give one of them another name")
				continue
			}
			seen[topic] = st.ID()
		}
	}
}

// linkBlocks resolves the streams of an entity's contributions and names them.
func (e *entityDraft) linkBlocks(streams map[string]*Stream) {
	names := map[string]bool{}
	nth := map[string]int{}
	for _, b := range e.blocks {
		from := b.text("from")
		if from == "" {
			continue
		}
		b.From = streams[from]
		if b.From == nil {
			b.r.fault(b.at("from"), fmt.Sprintf("unknown stream %q", clip(from)), streamSuggestion(from, streams))
		}
		if nth[from]++; b.Name == "" {
			b.Name = from
			if nth[from] > 1 {
				b.Name = fmt.Sprintf("%s#%d", from, nth[from])
			}
		}
		if names[b.Name] {
			b.r.fault(b.at("name"), fmt.Sprintf("contribution %q stands twice", clip(b.Name)), "give one of them another name")
		}
		names[b.Name] = true
	}
}

func streamSuggestion(from string, streams map[string]*Stream) string {
	if !strings.Contains(from, ".") {
		return "write system.stream; " + oneOf(from, sortedNames(streams))
	}
	return oneOf(from, sortedNames(streams))
}

// linkRelations resolves the entities that an entity's relations lead to.
func (e *entityDraft) linkRelations(entities map[string]*Entity) {
	for _, rel := range e.relations {
		name := rel.text("entity")
		if name == "" {
			continue
		}
		rel.Target = entities[name]
		if rel.Target == nil {
			rel.r.fault(rel.at("entity"), fmt.Sprintf("unknown entity %q", clip(name)), oneOf(name, sortedNames(entities)))
			continue
		}
		rel.One = rel.One || rel.TargetField == rel.Target.Key
	}
}
