package registry

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// FuzzApply: whatever stands in the topic is replayed or refused, and what is kept is whole.
func FuzzApply(f *testing.F) {
	v := &version{number: 1, id: 1, content: newContent(typeAvro, `"int"`, nil)}
	for _, r := range []*kgo.Record{
		schemaRecord("s", v), schemaTombstone("s", 1), configRecord("s", "FULL"), deleteSubjectRecord("s", 3),
		maxIDRecord(7), barrierRecord(), subjectTombstone(keyConfig, ""),
	} {
		f.Add(r.Key, r.Value, []byte(`{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}`), []byte(`{"subject":"s","version":2,"id":1,"schema":"\"int\""}`))
	}
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2 []byte) {
		c := newCatalog()
		for _, r := range []*kgo.Record{{Key: k1, Value: v1}, {Key: k2, Value: v2}, {Key: k1}, {Key: k2, Value: v2}} {
			_ = c.apply(r) // an error leaves the record out
		}
		for subject, versions := range c.subjects {
			for i, v := range versions {
				if v.number < 1 || i > 0 && versions[i-1].number >= v.number || c.contents[v.id] != v.content || v.id > c.maxID {
					t.Fatalf("subject %q holds %+v; highest id %d", subject, v, c.maxID)
				}
			}
		}
		for id := range c.contents {
			if len(c.uses(id)) == 0 {
				t.Fatalf("id %d is kept for nothing", id)
			}
		}
	})
}

// TestIdentity: what makes two texts the same schema.
func TestIdentity(t *testing.T) {
	of := func(text string) [32]byte { return newContent(typeAvro, text, nil).identity }
	const base = `{"type":"record","name":"R","fields":[{"name":"f","type":"string","default":"a"}]}`
	for text, same := range map[string]bool{
		`{"name":"R", "fields":[{"default":"a","type":{"type":"string"},"name":"f"}], "type":"record"}`:     true,
		`{"type":"record","name":"R","fields":[{"name":"f","type":"string","default":"b"}]}`:                false,
		`{"type":"record","name":"R","fields":[{"name":"f","type":"string"}]}`:                              false,
		`{"type":"record","name":"R","doc":"d","fields":[{"name":"f","type":"string","default":"a"}]}`:      false,
		`{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"string","x":1},"default":"a"}]}`: false,
	} {
		if got := of(text) == of(base); got != same {
			t.Errorf("%s: same schema %v, want %v", text, got, same)
		}
	}
	if of(`{"type":"double","x":1.10}`) == of(`{"type":"double","x":1.1}`) {
		t.Error("numbers count as they are written")
	}
	if newContent(typeAvro, `"R"`, nil).identity == newContent(typeAvro, `"R"`, []reference{{Name: "R", Subject: "s", Version: 1}}).identity {
		t.Error("references count")
	}
}
