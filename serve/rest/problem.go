package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"tributary/sinks/views"
)

// A Problem is an error as RFC 9457 writes it.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Parameter is the query parameter at fault.
	Parameter string `json:"parameter,omitempty"`
	// Allowed lists what could stand in its place.
	Allowed []string `json:"allowed,omitempty"`
}

// typeBase begins the types of problems.
const typeBase = "urn:tributary:problem:"

func problem(status int, kind, title, detail string) *Problem {
	return &Problem{Type: typeBase + kind, Title: title, Status: status, Detail: detail}
}

func badParameter(kind, title, parameter, detail string, allowed ...string) *Problem {
	p := problem(http.StatusBadRequest, kind, title, detail)
	p.Parameter, p.Allowed = parameter, allowed
	return p
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p *Problem) {
	body, err := json.Marshal(p)
	if err != nil {
		body = []byte("{}") // cannot be: strings and numbers
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}

// NotFound is the problem of a path that is none of the gateway's.
func NotFound(detail string) *Problem {
	return problem(http.StatusNotFound, "not-found", "Not found", detail)
}

// Internal is the problem of a failure whose cause is in the log only (I11).
func Internal() *Problem {
	return problem(http.StatusInternalServerError, "internal", "The gateway failed", "The gateway's log says why. Try again later.")
}

var errTooLarge = errors.New("answer too large")

// failed turns a failure of the store into a problem; what the client must not know is logged.
func (s *Server) failed(entity string, err error) *Problem {
	switch {
	case errors.Is(err, views.ErrArgument):
		return badParameter("bad-value", "A value cannot be used", "", err.Error())
	case errors.Is(err, errTooLarge):
		return problem(http.StatusBadRequest, "too-large", "The answer is too large", "Lower first, or name the fields you need with fields=.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem(http.StatusServiceUnavailable, "timeout", "The answer took too long", "Ask for less, or filter by other fields.")
	}
	s.log.Error().Err(err).Str("entity", entity).Msg("the view store failed a query")
	return Internal()
}
