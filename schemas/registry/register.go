package registry

import (
	"context"
	"fmt"
	"strings"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas/avrocompat"
)

// maxReferences bounds how many versions one schema may lead to.
const maxReferences = 1000

// A schemaRequest is the body of register, lookup and compatibility requests.
type schemaRequest struct {
	Schema     string      `json:"schema"`
	SchemaType string      `json:"schemaType"`
	References []reference `json:"references"`
	Metadata   any         `json:"metadata"`
	RuleSet    any         `json:"ruleSet"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
}

// check refuses what this registry would otherwise have to drop in silence.
func (r *schemaRequest) check() error {
	switch strings.ToUpper(r.SchemaType) {
	case "", typeAvro:
	case typeJSON, typeProtobuf:
		return fail(codeInvalidSchema, "Schemas of type %s come with a later version of this registry; it keeps AVRO.", strings.ToUpper(r.SchemaType))
	default:
		return fail(codeInvalidSchema, "Unknown schema type %q; this registry keeps AVRO.", r.SchemaType)
	}
	switch {
	case r.Schema == "":
		return fail(codeInvalidSchema, "The request has no schema.")
	case r.Metadata != nil:
		return fail(codeInvalidSchema, "This registry keeps no metadata; leave \"metadata\" out.")
	case r.RuleSet != nil:
		return fail(codeInvalidRules, "This registry keeps no rule sets; leave \"ruleSet\" out.")
	case r.ID > 0:
		return fail(codeNotPermitted, "An id can be given only in mode IMPORT, which this registry does not have.")
	}
	return nil
}

// checkSubject refuses names that cannot be subjects here.
func checkSubject(subject string) error {
	switch {
	case subject == "" || subject == "__GLOBAL" || subject == "__EMPTY" || len(subject) > 1000 ||
		strings.ContainsFunc(subject, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return fail(codeInvalidSubject, "The subject %q is not a valid name.", subject)
	case strings.HasPrefix(subject, ":"):
		return fail(codeInvalidSubject, "The subject %q names a context; this registry has only the default one.", subject)
	}
	return nil
}

// parse reads a schema with the types that it refers to.
func (c *catalog) parse(text string, refs []reference) (avro.Schema, error) {
	named := &avro.SchemaCache{}
	if err := c.resolve(refs, named, map[reference]bool{}); err != nil {
		return nil, err
	}
	return avrocompat.Parse(text, named)
}

// resolve puts the referenced types into named, those that they refer to first.
func (c *catalog) resolve(refs []reference, named *avro.SchemaCache, seen map[reference]bool) error {
	for _, r := range refs {
		place := reference{Subject: r.Subject, Version: r.Version}
		if seen[place] {
			continue
		}
		if seen[place] = true; len(seen) > maxReferences {
			return fmt.Errorf("the schema leads to more than %d others", maxReferences)
		}
		v := c.find(r.Subject, r.Version)
		if r.Version == -1 {
			v = last(c.live(r.Subject))
		}
		if v == nil {
			return fmt.Errorf("reference %q: subject %q has no version %d", r.Name, r.Subject, r.Version)
		}
		if err := c.resolve(v.content.references, named, seen); err != nil {
			return err
		}
		if _, err := avrocompat.Parse(v.content.text, named); err != nil {
			return fmt.Errorf("reference %q: subject %q version %d: %w", r.Name, r.Subject, r.Version, err)
		}
		if named.Get(r.Name) == nil {
			return fmt.Errorf("reference %q: subject %q version %d does not define it", r.Name, r.Subject, r.Version)
		}
	}
	return nil
}

// pin replaces the reference version -1 by the number of the latest.
func (c *catalog) pin(refs []reference) []reference {
	out := append([]reference(nil), refs...)
	for i, r := range out {
		if v := last(c.live(r.Subject)); r.Version == -1 && v != nil {
			out[i].Version = v.number
		}
	}
	return out
}

// judge gives the messages of what a schema breaks against versions of its subject.
func (c *catalog) judge(level avrocompat.Level, next avro.Schema, against []*version) ([]string, error) {
	if level == avrocompat.None {
		return nil, nil
	}
	if len(against) > 0 && !level.Transitive() {
		against = against[len(against)-1:]
	}
	var earlier []avrocompat.Version
	for _, v := range against {
		if v.content.schemaType != typeAvro {
			return []string{fmt.Sprintf("version %d is a %s schema, not AVRO", v.number, v.content.schemaType)}, nil
		}
		schema, err := c.parse(v.content.text, v.content.references)
		if err != nil {
			return nil, fail(codeStore, "Version %d, which the registry holds, cannot be parsed: %v.", v.number, err)
		}
		earlier = append(earlier, avrocompat.Version{Number: v.number, Schema: schema})
	}
	return level.Check(next, earlier), nil
}

// register gives the version of a schema under a subject, and makes it where it is missing.
// Unless force is set, the schema must keep the subject's compatibility level.
func (s *Server) register(ctx context.Context, subject string, req *schemaRequest, force bool) (*version, error) {
	if err := checkSubject(subject); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	find := func(c *catalog) (*version, error) {
		return c.holding(subject, newContent(typeAvro, req.Schema, c.pin(req.References)).identity, isLive), nil
	}
	found, err := read(s, find)
	if err != nil || found != nil {
		return found, err
	}
	err = s.write(ctx, func(c *catalog) ([]*kgo.Record, error) {
		if v, err := find(c); err != nil || v != nil {
			return nil, err
		}
		return c.planRegister(subject, req, force)
	})
	if err != nil {
		return nil, err
	}
	found, err = read(s, find) // what was read back counts, not what was planned
	if err == nil && found == nil {
		err = fail(codeStore, "The schema was registered under subject '%s' and deleted at once.", subject)
	}
	return found, err
}

func (c *catalog) planRegister(subject string, req *schemaRequest, force bool) ([]*kgo.Record, error) {
	next := newContent(typeAvro, req.Schema, c.pin(req.References))
	schema, err := c.parse(next.text, next.references)
	if err != nil {
		return nil, fail(codeInvalidSchema, "Invalid schema: %v.", err)
	}
	if !force {
		level := c.level(subject)
		messages, err := c.judge(level, schema, c.live(subject))
		if err != nil {
			return nil, err
		}
		if len(messages) > 0 {
			return nil, fail(codeIncompatible, "Schema being registered is incompatible with an earlier schema for subject \"%s\" (compatibility %s): %s",
				subject, level, strings.Join(messages, "; "))
		}
	}
	v := &version{number: 1, content: next}
	if top := last(c.subjects[subject]); top != nil {
		v.number = top.number + 1
	}
	if req.Version > 0 && req.Version != v.number {
		return nil, fail(codeInvalidSchema, "Version %d was asked for, but the next version of subject '%s' is %d.", req.Version, subject, v.number)
	}
	id, known := c.ids[next.identity]
	if v.id = id; known {
		v.content = c.contents[id]
	} else {
		v.id = c.maxID + 1
	}
	records := []*kgo.Record{schemaRecord(subject, v)}
	// The schema comes back under a new number; its soft-deleted self goes.
	if old := c.holding(subject, next.identity, func(v *version) bool { return v.deleted }); old != nil && len(c.referrers(subject, old.number)) == 0 {
		records = append(records, schemaTombstone(subject, old.number))
	}
	return records, nil
}

func last(versions []*version) *version {
	if len(versions) == 0 {
		return nil
	}
	return versions[len(versions)-1]
}

// read looks at the catalog.
func read[T any](s *Server, look func(*catalog) (T, error)) (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return look(s.catalog)
}
