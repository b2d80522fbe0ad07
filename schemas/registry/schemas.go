package registry

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
)

func (s *Server) schemaRoutes(r chi.Router) {
	get(r, "/schemas", s.listSchemas)
	get(r, "/schemas/types", func(*http.Request) (any, error) { return []string{typeAvro}, nil })
	get(r, "/schemas/ids/{id}", s.byID)
	get(r, "/schemas/ids/{id}/schema", s.byIDRaw)
	get(r, "/schemas/ids/{id}/subjects", s.subjectsOfID)
	get(r, "/schemas/ids/{id}/versions", s.versionsOfID)
	get(r, "/schemas/guids/{guid}", s.byGUID)
	get(r, "/schemas/guids/{guid}/ids", s.idsOfGUID)
}

// A described is a schema without a place.
type described struct {
	GUID       string      `json:"guid"`
	SchemaType string      `json:"schemaType"`
	References []reference `json:"references,omitempty"`
	Schema     string      `json:"schema"`
	MaxID      int         `json:"maxId,omitempty"`
}

func describe(c *content) described {
	return described{GUID: c.guid(), SchemaType: c.schemaType, References: c.references, Schema: c.text}
}

// raw is the schema's text as the whole body of an answer.
func (c *content) raw() any {
	if json.Valid([]byte(c.text)) {
		return json.RawMessage(c.text)
	}
	return c.text
}

func (s *Server) listSchemas(r *http.Request) (any, error) {
	prefix := strings.TrimPrefix(r.URL.Query().Get("subjectPrefix"), ":*:")
	latest := flag(r, "latestOnly")
	return read(s, func(c *catalog) (any, error) {
		var out []entity
		for _, name := range c.names(shown(r)) {
			if !strings.HasPrefix(name, prefix) {
				continue
			}
			versions := filter(c.subjects[name], shown(r))
			if latest {
				versions = versions[len(versions)-1:]
			}
			for _, v := range versions {
				out = append(out, entityOf(name, v))
			}
		}
		return page(r, out), nil
	})
}

// content finds the schema of an id; deleted ones stay readable, since old records need them.
func (c *catalog) content(text string) (int, *content, error) {
	id, err := strconv.Atoi(text)
	found, ok := c.contents[id]
	if err != nil || !ok {
		return 0, nil, fail(codeNoSchema, "Schema %s not found", text)
	}
	return id, found, nil
}

func (s *Server) byID(r *http.Request) (any, error) {
	return read(s, func(c *catalog) (any, error) {
		_, found, err := c.content(param(r, "id"))
		if err != nil {
			return nil, err
		}
		d := describe(found)
		if flag(r, "fetchMaxId") {
			d.MaxID = c.maxID
		}
		return d, nil
	})
}

func (s *Server) byIDRaw(r *http.Request) (any, error) {
	return read(s, func(c *catalog) (any, error) {
		_, found, err := c.content(param(r, "id"))
		if err != nil {
			return nil, err
		}
		return found.raw(), nil
	})
}

// usesOf gives the places of the id in the path that the query wants to see.
func (c *catalog) usesOf(r *http.Request) ([]use, error) {
	id, _, err := c.content(param(r, "id"))
	if err != nil {
		return nil, err
	}
	subject, deleted := r.URL.Query().Get("subject"), flag(r, "deleted")
	return slices.DeleteFunc(c.uses(id), func(u use) bool {
		return u.deleted && !deleted || subject != "" && subject != u.Subject
	}), nil
}

func (s *Server) subjectsOfID(r *http.Request) (any, error) {
	return read(s, func(c *catalog) (any, error) {
		uses, err := c.usesOf(r)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, u := range uses {
			names = append(names, u.Subject)
		}
		return page(r, slices.Compact(names)), nil
	})
}

func (s *Server) versionsOfID(r *http.Request) (any, error) {
	return read(s, func(c *catalog) (any, error) {
		uses, err := c.usesOf(r)
		if err != nil {
			return nil, err
		}
		return page(r, uses), nil
	})
}

// idsWith gives the ids of a content's name across registries.
func (c *catalog) idsWith(guid string) ([]int, error) {
	var out []int
	for id, held := range c.contents {
		if strings.EqualFold(held.guid(), guid) {
			out = append(out, id)
		}
	}
	if len(out) == 0 {
		return nil, fail(codeNoSchema, "Schema %s not found", guid)
	}
	slices.Sort(out)
	return out, nil
}

func (s *Server) byGUID(r *http.Request) (any, error) {
	return read(s, func(c *catalog) (any, error) {
		ids, err := c.idsWith(param(r, "guid"))
		if err != nil {
			return nil, err
		}
		return describe(c.contents[ids[0]]), nil
	})
}

func (s *Server) idsOfGUID(r *http.Request) (any, error) {
	type contextID struct {
		Context string `json:"context"`
		ID      int    `json:"id"`
	}
	return read(s, func(c *catalog) (any, error) {
		ids, err := c.idsWith(param(r, "guid"))
		if err != nil {
			return nil, err
		}
		var out []contextID
		for _, id := range ids {
			out = append(out, contextID{".", id})
		}
		return out, nil
	})
}
