package reference_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
	"tributary/mesh"
	"tributary/processors/normalize"
	"tributary/processors/reference"
	"tributary/processors/resolve/rules"
	"tributary/schemas"
	"tributary/topics"
)

// TestViewsAreAFunctionOfContributions runs random histories through the mapper and the rules
// in random interleavings, with duplicates and replays, and holds the views against the
// reference. // I2
//
// A failure prints its seed; repeat it with
// go test ./processors/reference -run TestViews -rapid.seed=SEED
func TestViewsAreAFunctionOfContributions(t *testing.T) {
	reader := compileReader(t)
	rapid.Check(t, func(t *rapid.T) {
		c := reference.Cases().Draw(t, "case")
		p := newPipeline(t, c.Entity, reader)
		records := p.normalize(t, withReplays(t, c.History))
		records = rapid.Permutation(append(records, records[:len(records)/3]...)).Draw(t, "interleaving")
		got, want := p.resolve(t, records), reference.Show(reference.Evaluate(c.Entity, c.History))
		if got != want {
			t.Fatalf("views differ\ngot:\n%s\nwant:\n%s", got, want)
		}
	})
}

// withReplays repeats some changes somewhere behind themselves.
func withReplays(t *rapid.T, history []reference.Change) []reference.Change {
	out := slices.Clone(history)
	for range rapid.IntRange(0, 3).Draw(t, "replays") {
		i := rapid.IntRange(0, len(history)-1).Draw(t, "replayed")
		at := rapid.IntRange(slices.IndexFunc(out, func(c reference.Change) bool { return c.Position == history[i].Position })+1, len(out)).Draw(t, "at")
		out = slices.Insert(out, at, history[i])
	}
	return out
}

func compileReader(t *testing.T) *normalize.EnvelopeReader {
	r, err := normalize.CompileEnvelope(reference.EnvelopeSchema())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A record of the contributions topic; a nil body retracts.
type record struct {
	key      schemas.ContributionKey
	position topics.Position
	body     []byte
}

// A pipeline is the mapper and the rules of one entity, without Kafka.
type pipeline struct {
	codec   *schemas.EntityCodec
	reader  *normalize.EnvelopeReader
	mappers []*normalize.Mapper // by block
	rules   *rules.Rules
}

func newPipeline(t *rapid.T, e *mesh.Entity, reader *normalize.EnvelopeReader) *pipeline {
	p := &pipeline{codec: schemas.NewEntityCodec("acme", e), reader: reader}
	for _, b := range e.Contributions {
		m, err := normalize.CompileMapper(p.codec, b, reader)
		if err != nil {
			t.Fatal(err)
		}
		p.mappers = append(p.mappers, m)
	}
	p.rules = rules.Compile(p.codec)
	return p
}

// normalize turns changes into records, as the stage does: a row that moved, or says nothing any
// more, is retracted where it was; a replay of an older position is not looked at.
func (p *pipeline) normalize(t *rapid.T, history []reference.Change) []record {
	var out []record
	type at struct{ block, key string }
	place, seen := map[at]string{}, map[[2]string]int{}
	for _, c := range history {
		row := [2]string{c.Stream, c.Key}
		if seen[row] > c.Position {
			continue
		}
		seen[row] = c.Position
		for i, b := range p.codec.Entity.Contributions {
			if b.From.ID() != c.Stream {
				continue
			}
			id, body := p.mapRow(t, i, c)
			here := at{b.Name, c.Key}
			key := schemas.ContributionKey{Stream: c.Stream, Block: b.Name, SourceKey: c.Key, Kind: schemas.KindRow}
			pos := topics.MakePosition(1, 0, topics.MajorOf(uint64(c.Position)), 0)
			if was, ok := place[here]; ok && (body == nil || was != id) {
				key.ID = was
				out = append(out, record{key, pos, nil})
				delete(place, here)
			}
			if body != nil {
				key.ID, place[here] = id, id
				out = append(out, record{key, pos, body})
			}
		}
	}
	return out
}

// mapRow gives the contribution of a row by one block, nil where it contributes nothing.
func (p *pipeline) mapRow(t *rapid.T, block int, c reference.Change) (id string, body []byte) {
	var env normalize.Envelope
	if err := p.reader.Read(reference.AppendEnvelope(nil, c), &env); err != nil {
		t.Fatal(err)
	}
	if env.After == nil {
		return "", nil
	}
	var m normalize.Mapped
	if err := p.mappers[block].Map(&env, &m); err != nil {
		t.Fatal(err)
	}
	if !m.Live {
		return "", nil
	}
	return string(m.ID), p.codec.AppendContribution(nil, &schemas.Contribution{SourceTime: m.SourceTime, CommitTime: env.CommitTime, Values: m.Values})
}

// resolve applies records in the order given, the newest position of each key counting, and
// shows the views of all entities.
func (p *pipeline) resolve(t *rapid.T, records []record) string {
	newest := map[schemas.ContributionKey]record{}
	for _, r := range records {
		if have, ok := newest[r.key]; !ok || bytes.Compare(r.position[:], have.position[:]) > 0 {
			newest[r.key] = r
		}
	}
	cands := map[string][]rules.Candidate{}
	for _, r := range newest { // in Go's random order
		if r.body == nil {
			continue
		}
		c := rules.Candidate{SourceKey: r.key.SourceKey, Block: slices.IndexFunc(p.codec.Entity.Contributions, func(b *mesh.Block) bool { return b.Name == r.key.Block })}
		if err := p.codec.DecodeContribution(r.body, &c.C); err != nil {
			t.Fatal(err)
		}
		cands[r.key.ID] = append(cands[r.key.ID], c)
	}
	views := map[string]reference.View{}
	var v schemas.View // reused, as the stage does
	for id, list := range cands {
		out := p.rules.Resolve(id, list, &v)
		if !out.Exists {
			t.Fatalf("entity %s has contributions and does not exist", id)
		}
		var err error
		if views[id], err = reference.FromView(p.codec.Entity, &v, out.Complete); err != nil {
			t.Fatal(err)
		}
	}
	return reference.Show(views)
}
