package registry

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/schemas/avrocompat"
)

func (s *Server) configRoutes(r chi.Router) {
	for _, path := range []string{"/config", "/config/{subject}"} {
		get(r, path, s.getConfig)
		put(r, path, s.putConfig)
		del(r, path, s.deleteConfig)
	}
	for _, path := range []string{"/mode", "/mode/{subject}"} {
		get(r, path, s.getMode)
		put(r, path, s.putMode)
	}
}

// configRequest sends the level under another name than answers do. The options below it have
// effects that this registry does not have.
type configRequest struct {
	Level              string `json:"compatibility"`
	Alias              any    `json:"alias,omitempty"`
	CompatibilityGroup any    `json:"compatibilityGroup,omitempty"`
	DefaultMetadata    any    `json:"defaultMetadata,omitempty"`
	OverrideMetadata   any    `json:"overrideMetadata,omitempty"`
	DefaultRuleSet     any    `json:"defaultRuleSet,omitempty"`
	OverrideRuleSet    any    `json:"overrideRuleSet,omitempty"`
}

func (c *configRequest) check() error {
	for _, option := range []any{c.Alias, c.CompatibilityGroup, c.DefaultMetadata, c.OverrideMetadata, c.DefaultRuleSet, c.OverrideRuleSet} {
		if option != nil {
			return fail(codeNotPermitted, "This registry keeps only the compatibility level of a subject; leave the other options out.")
		}
	}
	return nil
}

func (s *Server) getConfig(r *http.Request) (any, error) {
	subject := param(r, "subject")
	return read(s, func(c *catalog) (any, error) {
		if _, own := c.levels[subject]; subject != "" && !own && !flag(r, "defaultToGlobal") {
			return nil, fail(codeNoSubjectConfig, "Subject '%s' does not have subject-level compatibility configured", subject)
		}
		return levelOf{c.level(subject)}, nil
	})
}

func (s *Server) putConfig(r *http.Request) (any, error) {
	subject := param(r, "subject")
	var req configRequest
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	if err := req.check(); err != nil {
		return nil, err
	}
	if subject != "" {
		if err := checkSubject(subject); err != nil {
			return nil, err
		}
	}
	level, ok := avrocompat.ParseLevel(req.Level)
	if !ok {
		return nil, fail(codeInvalidLevel, "Invalid compatibility level. Valid values are NONE, BACKWARD, FORWARD, FULL, BACKWARD_TRANSITIVE, FORWARD_TRANSITIVE, and FULL_TRANSITIVE")
	}
	err := s.write(r.Context(), func(c *catalog) ([]*kgo.Record, error) {
		if current, own := c.levels[subject]; own && current == level {
			return nil, nil
		}
		return []*kgo.Record{configRecord(subject, string(level))}, nil
	})
	return configRequest{Level: string(level)}, err
}

func (s *Server) deleteConfig(r *http.Request) (any, error) {
	subject := param(r, "subject")
	var before levelOf
	err := s.write(r.Context(), func(c *catalog) ([]*kgo.Record, error) {
		_, own := c.levels[subject]
		if !own && subject != "" {
			return nil, noSubject(subject)
		}
		if before.Level = c.level(subject); !own {
			return nil, nil
		}
		return []*kgo.Record{subjectTombstone(keyConfig, subject)}, nil
	})
	return before, err
}

func (s *Server) getMode(r *http.Request) (any, error) {
	if subject := param(r, "subject"); subject != "" && !flag(r, "defaultToGlobal") {
		return nil, fail(codeNoSubjectMode, "Subject '%s' does not have subject-level mode configured", subject)
	}
	return modeValue{modeReadWrite}, nil
}

// putMode accepts what is so already and refuses the rest.
func (s *Server) putMode(r *http.Request) (any, error) {
	var req modeValue
	if err := decode(r, &req); err != nil {
		return nil, err
	}
	switch strings.ToUpper(req.Mode) {
	case modeReadWrite:
		return modeValue{modeReadWrite}, nil
	case "READONLY", "READONLY_OVERRIDE", "IMPORT", "FORWARD":
		return nil, fail(codeNotPermitted, "This registry has only the mode READWRITE.")
	}
	return nil, fail(codeInvalidMode, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT")
}
