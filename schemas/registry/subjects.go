package registry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"tributary/schemas/avrocompat"
)

func (s *Server) subjectRoutes(r chi.Router) {
	get(r, "/subjects", s.listSubjects)
	post(r, "/subjects/{subject}", s.lookup)
	del(r, "/subjects/{subject}", func(r *http.Request) (any, error) {
		return s.deleteSubject(r.Context(), param(r, "subject"), flag(r, "permanent"))
	})
	get(r, "/subjects/{subject}/versions", s.listVersions)
	post(r, "/subjects/{subject}/versions", s.postVersion)
	get(r, "/subjects/{subject}/versions/{version}", s.one(func(name string, v *version) (any, error) {
		return entityOf(name, v), nil
	}))
	get(r, "/subjects/{subject}/versions/{version}/schema", s.one(func(_ string, v *version) (any, error) {
		return v.content.raw(), nil
	}))
	get(r, "/subjects/{subject}/versions/{version}/referencedby", s.referencedBy)
	del(r, "/subjects/{subject}/versions/{version}", func(r *http.Request) (any, error) {
		return s.deleteVersion(r.Context(), param(r, "subject"), param(r, "version"), flag(r, "permanent"))
	})
	post(r, "/compatibility/subjects/{subject}/versions", s.compatibility)
	post(r, "/compatibility/subjects/{subject}/versions/{version}", s.compatibility)
}

// An entity is a schema with its place.
type entity struct {
	Subject    string      `json:"subject"`
	Version    int         `json:"version"`
	ID         int         `json:"id"`
	GUID       string      `json:"guid"`
	SchemaType string      `json:"schemaType"`
	References []reference `json:"references,omitempty"`
	Schema     string      `json:"schema"`
	Deleted    bool        `json:"deleted,omitempty"`
}

func entityOf(subject string, v *version) entity {
	return entity{
		Subject: subject, Version: v.number, ID: v.id, GUID: v.content.guid(), SchemaType: v.content.schemaType,
		References: v.content.references, Schema: v.content.text, Deleted: v.deleted,
	}
}

// shown says which versions a request wants to see.
func shown(r *http.Request) func(*version) bool {
	only, all := flag(r, "deletedOnly"), flag(r, "deleted")
	return func(v *version) bool { return only && v.deleted || !only && (all || !v.deleted) }
}

func (s *Server) listSubjects(r *http.Request) (any, error) {
	prefix := strings.TrimPrefix(r.URL.Query().Get("subjectPrefix"), ":*:")
	return read(s, func(c *catalog) (any, error) {
		names := slices.DeleteFunc(c.names(shown(r)), func(name string) bool { return !strings.HasPrefix(name, prefix) })
		return page(r, names), nil
	})
}

func (s *Server) listVersions(r *http.Request) (any, error) {
	subject := param(r, "subject")
	return read(s, func(c *catalog) (any, error) {
		versions := filter(c.subjects[subject], shown(r))
		if len(versions) == 0 {
			return nil, noSubject(subject)
		}
		return page(r, numbersOf(versions)), nil
	})
}

func (s *Server) lookup(r *http.Request) (any, error) {
	subject := param(r, "subject")
	var req schemaRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	return read(s, func(c *catalog) (any, error) {
		if len(filter(c.subjects[subject], shown(r))) == 0 {
			return nil, noSubject(subject)
		}
		next := newContent(typeAvro, req.Schema, c.pin(req.References))
		if v := c.holding(subject, next.identity, shown(r)); v != nil {
			return entityOf(subject, v), nil
		}
		if _, err := c.parse(next.text, next.references); err != nil {
			return nil, fail(codeInvalidSchema, "Invalid schema: %v.", err)
		}
		return nil, fail(codeNoSchema, "Schema not found")
	})
}

func (s *Server) postVersion(r *http.Request) (any, error) {
	var req schemaRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	v, err := s.register(r.Context(), param(r, "subject"), &req, flag(r, "force"))
	if err != nil {
		return nil, err
	}
	return struct {
		ID         int    `json:"id"`
		Version    int    `json:"version"`
		GUID       string `json:"guid"`
		SchemaType string `json:"schemaType"`
	}{v.id, v.number, v.content.guid(), v.content.schemaType}, nil
}

// one answers for the version that the path names.
func (s *Server) one(show func(subject string, v *version) (any, error)) call {
	return func(r *http.Request) (any, error) {
		subject := param(r, "subject")
		return read(s, func(c *catalog) (any, error) {
			v, err := c.pick(subject, param(r, "version"), flag(r, "deleted"))
			if err != nil {
				return nil, err
			}
			return show(subject, v)
		})
	}
}

// pick finds the version that a path names: a number, "latest" or -1.
func (c *catalog) pick(subject, which string, deleted bool) (*version, error) {
	number, err := versionNumber(which)
	if err != nil {
		return nil, err
	}
	versions := c.subjects[subject]
	if !deleted {
		versions = c.live(subject)
	}
	if len(versions) == 0 {
		return nil, noSubject(subject)
	}
	if number == -1 {
		if v := last(c.live(subject)); v != nil {
			return v, nil
		}
		return last(versions), nil
	}
	if v := c.find(subject, number); v != nil && (deleted || !v.deleted) {
		return v, nil
	}
	return nil, noVersion(number)
}

// versionNumber reads a version in a path; -1 stands for the latest.
func versionNumber(text string) (int, error) {
	if strings.EqualFold(text, "latest") || text == "-1" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 1 {
		return 0, fail(codeInvalidVersion, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
	}
	return int(n), nil
}

func (s *Server) referencedBy(r *http.Request) (any, error) {
	subject := param(r, "subject")
	return read(s, func(c *catalog) (any, error) {
		v, err := c.pick(subject, param(r, "version"), flag(r, "deleted"))
		if err != nil {
			return nil, err
		}
		var ids []int
		for _, from := range filter(c.referrers(subject, v.number), shown(r)) {
			ids = append(ids, from.id)
		}
		slices.Sort(ids)
		return page(r, slices.Compact(ids)), nil
	})
}

// A verdict answers a question about compatibility.
type verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages,omitempty"`
}

func (s *Server) compatibility(r *http.Request) (any, error) {
	subject, which, verbose := param(r, "subject"), param(r, "version"), flag(r, "verbose")
	var req schemaRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	return read(s, func(c *catalog) (any, error) {
		against, err := c.against(subject, which)
		if err != nil {
			return nil, err
		}
		next, err := c.parse(req.Schema, req.References)
		switch {
		case err != nil && verbose:
			return verdict{Messages: []string{err.Error()}}, nil
		case err != nil:
			return nil, fail(codeInvalidSchema, "Invalid schema: %v.", err)
		}
		messages, err := c.judge(c.level(subject), next, against)
		if err != nil {
			return nil, err
		}
		v := verdict{Compatible: len(messages) == 0}
		if verbose {
			v.Messages = messages
		}
		return v, nil
	})
}

// against gives the versions that a compatibility request compares with: the one it names, or
// the live ones, of which the level takes what it wants.
func (c *catalog) against(subject, which string) ([]*version, error) {
	if which == "" {
		return c.live(subject), nil
	}
	number, err := versionNumber(which)
	if err != nil {
		return nil, err
	}
	if number == -1 {
		live := c.live(subject)
		return live[max(len(live)-1, 0):], nil
	}
	if v := c.find(subject, number); v != nil && !v.deleted {
		return []*version{v}, nil
	}
	return nil, noVersion(number)
}

// levelOf is the body of answers about a level.
type levelOf struct {
	Level avrocompat.Level `json:"compatibilityLevel"`
}
