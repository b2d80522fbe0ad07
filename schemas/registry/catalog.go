package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas/avrocompat"
)

const modeReadWrite = "READWRITE"

// A catalog is what the topic says, replayed in the order of its offsets. It is not safe for
// concurrent use; Server guards it.
type catalog struct {
	subjects map[string][]*version // ascending by number; soft-deleted ones included
	levels   map[string]avrocompat.Level
	contents map[int]*content
	ids      map[[32]byte]int // by identity: the first id given to a content that still exists
	maxID    int              // highest id ever seen
}

// A version is one schema of a subject. It is replaced, never changed.
type version struct {
	number  int
	id      int
	content *content
	deleted bool
}

func newCatalog() *catalog {
	return &catalog{
		subjects: map[string][]*version{}, levels: map[string]avrocompat.Level{},
		contents: map[int]*content{}, ids: map[[32]byte]int{},
	}
}

// apply replays one record. An error says that the record was left out; the catalog is whole.
func (c *catalog) apply(r *kgo.Record) error {
	var key recordKey
	if err := json.Unmarshal(r.Key, &key); err != nil {
		return fmt.Errorf("unreadable key: %w", err)
	}
	switch key.KeyType {
	case keySchema:
		if len(r.Value) == 0 {
			c.remove(key.Subject, key.Version)
			return nil
		}
		return c.applySchema(key, r.Value)
	case keyConfig:
		return c.applyConfig(key.Subject, r.Value)
	case keyDeleteSubject:
		return c.applyDelete(key.Subject, r.Value)
	case keyMode:
		c.applyMaxID(r.Headers)
	}
	return nil // other key types are of no concern here, and newer ones keep appearing
}

func (c *catalog) applySchema(key recordKey, raw []byte) error {
	var v schemaValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("unreadable value: %w", err)
	}
	if v.Subject != key.Subject || v.Version != key.Version || v.Version < 1 || v.ID < 1 {
		return fmt.Errorf("value does not belong to its key, subject %q version %d", key.Subject, key.Version)
	}
	next := newContent(v.SchemaType, v.Schema, v.References)
	known, ok := c.contents[v.ID]
	if ok && known.identity != next.identity {
		return fmt.Errorf("id %d already stands for another schema; subject %q version %d is left out", v.ID, v.Subject, v.Version)
	}
	if ok {
		next = known
	}
	c.contents[v.ID] = next
	if _, ok := c.ids[next.identity]; !ok {
		c.ids[next.identity] = v.ID
	}
	c.maxID = max(c.maxID, v.ID)
	c.put(v.Subject, &version{number: v.Version, id: v.ID, content: next, deleted: v.Deleted})
	return nil
}

func (c *catalog) applyConfig(subject string, raw []byte) error {
	if len(raw) == 0 {
		delete(c.levels, subject)
		return nil
	}
	var v configValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("unreadable value: %w", err)
	}
	level, ok := avrocompat.ParseLevel(v.Level)
	if !ok {
		return fmt.Errorf("unknown compatibility level %q of subject %q", v.Level, subject)
	}
	c.levels[subject] = level
	return nil
}

func (c *catalog) applyDelete(subject string, raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	var v deleteValue
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("unreadable value: %w", err)
	}
	for _, old := range slices.Clone(c.subjects[subject]) {
		if old.number <= v.Version {
			c.put(subject, old.asDeleted())
		}
	}
	return nil
}

func (c *catalog) applyMaxID(headers []kgo.RecordHeader) {
	for _, h := range headers {
		if h.Key != headerMaxID {
			continue
		}
		if id, err := strconv.Atoi(string(h.Value)); err == nil {
			c.maxID = max(c.maxID, id)
		}
	}
}

func (c *catalog) put(subject string, v *version) {
	versions := c.subjects[subject]
	i, found := slices.BinarySearchFunc(versions, v.number, byNumber)
	if !found {
		c.subjects[subject] = slices.Insert(versions, i, v)
		return
	}
	before := versions[i].id
	if versions[i] = v; before != v.id {
		c.forget(before)
	}
}

func (c *catalog) remove(subject string, number int) {
	versions := c.subjects[subject]
	i, found := slices.BinarySearchFunc(versions, number, byNumber)
	if !found {
		return
	}
	id := versions[i].id
	if versions = slices.Delete(versions, i, i+1); len(versions) == 0 {
		delete(c.subjects, subject)
	} else {
		c.subjects[subject] = versions
	}
	c.forget(id)
}

// forget drops an id that no version has any more.
func (c *catalog) forget(id int) {
	for _, versions := range c.subjects {
		if slices.ContainsFunc(versions, func(v *version) bool { return v.id == id }) {
			return
		}
	}
	if gone := c.contents[id]; gone != nil && c.ids[gone.identity] == id {
		delete(c.ids, gone.identity)
	}
	delete(c.contents, id)
}

func byNumber(v *version, number int) int { return v.number - number }

func (v *version) asDeleted() *version {
	return &version{number: v.number, id: v.id, content: v.content, deleted: true}
}

// names gives the subjects that have a version which keep accepts, sorted.
func (c *catalog) names(keep func(*version) bool) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(c.subjects)) {
		if slices.ContainsFunc(c.subjects[name], keep) {
			out = append(out, name)
		}
	}
	return out
}

// live gives a subject's versions that are not deleted.
func (c *catalog) live(subject string) []*version {
	return filter(c.subjects[subject], isLive)
}

func isLive(v *version) bool { return !v.deleted }

func filter(versions []*version, keep func(*version) bool) []*version {
	var out []*version
	for _, v := range versions {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

// find gives a subject's version of that number, or nil.
func (c *catalog) find(subject string, number int) *version {
	versions := c.subjects[subject]
	if i, found := slices.BinarySearchFunc(versions, number, byNumber); found {
		return versions[i]
	}
	return nil
}

// holding gives a subject's newest version with that content, or nil.
func (c *catalog) holding(subject string, id [32]byte, keep func(*version) bool) *version {
	versions := c.subjects[subject]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].content.identity == id && keep(versions[i]) {
			return versions[i]
		}
	}
	return nil
}

// A use is one place where an id stands.
type use struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	deleted bool
}

// uses gives the subjects and versions of an id, sorted.
func (c *catalog) uses(id int) []use {
	var out []use
	for _, name := range slices.Sorted(maps.Keys(c.subjects)) {
		for _, v := range c.subjects[name] {
			if v.id == id {
				out = append(out, use{name, v.number, v.deleted})
			}
		}
	}
	return out
}

// referrers gives the versions whose schemas refer to a subject's version.
func (c *catalog) referrers(subject string, number int) []*version {
	var out []*version
	for _, versions := range c.subjects {
		for _, v := range versions {
			if slices.ContainsFunc(v.content.references, func(r reference) bool {
				return r.Subject == subject && r.Version == number
			}) {
				out = append(out, v)
			}
		}
	}
	return out
}

// level is the compatibility level that holds for a subject.
func (c *catalog) level(subject string) avrocompat.Level {
	if l, ok := c.levels[subject]; ok {
		return l
	}
	if l, ok := c.levels[""]; ok {
		return l
	}
	return avrocompat.Backward
}
