package graphql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"tributary/serve/jsontext"
)

// The media types of answers (GraphQL over HTTP, section 4).
const (
	mediaJSON     = "application/json"
	mediaResponse = "application/graphql-response+json"
)

// statusOf gives the HTTP status of an answer without data. The published audit suite wants 400,
// and 200 with the legacy media type where the document was at fault; the specification's draft
// of 2026 wants 422 for some of them.
func statusOf(code string, legacy bool) int {
	switch code {
	case CodeRequest:
		return http.StatusBadRequest
	case CodeTimeout:
		return http.StatusServiceUnavailable
	case CodeInternal:
		return http.StatusInternalServerError
	}
	if legacy {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// A call is the parameters of one request.
type call struct {
	query     string
	operation string
	variables map[string]any
}

type buffers struct{ body, answer []byte }

// ServeHTTP answers POST with a JSON body, and GET with the query in the URL.
func (s *Server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	media, ok := negotiate(req.Header.Get("Accept"))
	if !ok {
		http.Error(w, "GraphQL answers are "+mediaResponse+" or "+mediaJSON+": accept one of them", http.StatusNotAcceptable)
		return
	}
	b, _ := s.buffers.Get().(*buffers)
	if b == nil {
		b = &buffers{}
	}
	defer s.release(b)
	var c call
	var err *Error
	status := 0
	switch req.Method {
	case http.MethodPost:
		c, status, err = s.readPost(w, req, b)
	case http.MethodGet, http.MethodHead:
		c, err = readGet(req)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "GraphQL takes GET and POST", http.StatusMethodNotAllowed)
		return
	}
	if err == nil {
		status, err = s.answer(req, &c, b, media == mediaJSON)
	} else if status == 0 {
		status = http.StatusBadRequest
	}
	if err != nil {
		b.answer = append(appendErrors(append(b.answer[:0], '{'), []*Error{err}), '}')
	}
	if status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", "POST")
	}
	h := w.Header()
	h.Set("Content-Type", media+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept, Accept-Language")
	w.WriteHeader(status)
	if req.Method != http.MethodHead {
		_, _ = w.Write(b.answer) // a client that is gone needs no answer
	}
}

// keep bounds the buffers that are kept for further requests.
const keep = 256 << 10

func (s *Server) release(b *buffers) {
	if cap(b.body) <= keep && cap(b.answer) <= keep {
		s.buffers.Put(b)
	}
}

// answer runs the call and puts the answer into b.
func (s *Server) answer(req *http.Request, c *call, b *buffers, legacy bool) (status int, _ *Error) {
	doc, errs := s.document(c.query)
	if errs != nil {
		b.answer = append(appendErrors(append(b.answer[:0], '{'), errs), '}')
		return statusOf(errs[0].Code, legacy), nil
	}
	op, err := doc.operation(c.operation)
	if err != nil {
		return statusOf(err.Code, legacy), err
	}
	if op.Operation != ast.Query && req.Method != http.MethodPost {
		return http.StatusMethodNotAllowed, &Error{Message: "GET runs queries only: use POST.", Code: CodeRequest}
	}
	vars, err := s.coerceVariables(op, c.variables)
	if err != nil {
		return statusOf(err.Code, legacy), err
	}
	p, err := s.plan(doc, op, vars)
	if err != nil {
		return statusOf(err.Code, legacy), err
	}
	ctx, cancel := context.WithTimeout(req.Context(), s.timeout)
	defer cancel()
	r := &request{ctx: ctx, vars: vars, acceptLanguage: req.Header.Get("Accept-Language"), server: s}
	var data bool
	b.answer, errs, data = s.execute(r, p, append(b.answer[:0], `{"data":`...))
	if !data {
		b.answer = append(b.answer[:0], `{"data":null`...)
	}
	if len(errs) > 0 {
		b.answer = appendErrors(append(b.answer, ','), errs)
	}
	b.answer = append(b.answer, '}')
	if !data {
		return statusOf(errs[0].Code, legacy), nil
	}
	return http.StatusOK, nil
}

// negotiate picks the media type of the answer; ok is false where the client takes neither.
func negotiate(accept string) (media string, ok bool) {
	if accept == "" || accept == "*/*" {
		return mediaJSON, true
	}
	for part := range strings.SplitSeq(accept, ",") {
		name, _, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case mediaResponse:
			return mediaResponse, true
		case mediaJSON, "*/*", "application/*":
			if media == "" {
				media = mediaJSON
			}
		}
	}
	return media, media != ""
}

func badRequest(format string, args ...any) *Error {
	return &Error{Message: fmt.Sprintf(format, args...), Code: CodeRequest}
}

func (s *Server) readPost(w http.ResponseWriter, req *http.Request, b *buffers) (c call, status int, _ *Error) {
	// A JSON content type is also the guard against forged requests: browsers ask before they
	// send it to another origin.
	media, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || media != mediaJSON {
		return c, http.StatusUnsupportedMediaType, badRequest("POST takes Content-Type: %s.", mediaJSON)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return c, http.StatusUnsupportedMediaType, badRequest("The body must be UTF-8.")
	}
	body := bytes.NewBuffer(b.body[:0])
	_, err = body.ReadFrom(http.MaxBytesReader(w, req.Body, s.limits.Body))
	b.body = body.Bytes()
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return c, http.StatusRequestEntityTooLarge, exceeds("the request's body is too large", fmt.Sprintf("%d bytes", s.limits.Body), "send variables apart from the document, or less of them")
	}
	if err != nil {
		return c, http.StatusBadRequest, badRequest("The body could not be read.")
	}
	c, bad := parseCall(b.body)
	return c, 0, bad
}

// parseCall reads the JSON body of a request.
func parseCall(body []byte) (c call, bad *Error) {
	p := jsontext.NewParser(body)
	isObject := p.Object(func(name string) {
		if fault := c.parameter(name, p); bad == nil {
			bad = fault
		}
	})
	switch {
	case !isObject || p.End() != nil:
		return c, badRequest("The body is not a JSON object such as {\"query\":\"{ __typename }\"}.")
	case bad == nil && c.query == "":
		return c, badRequest("The parameter query is missing: a string with a GraphQL document.")
	}
	return c, bad
}

// parameter reads a parameter from JSON; null is as if it were absent, unknown ones are passed over.
func (c *call) parameter(name string, p *jsontext.Parser) *Error {
	if p.Null() {
		return nil
	}
	value := p.Value()
	ok := true
	switch name {
	case "query":
		c.query, ok = value.(string)
	case "operationName":
		c.operation, ok = value.(string)
	case "variables":
		c.variables, ok = value.(map[string]any)
	case "extensions":
		_, ok = value.(map[string]any)
	}
	if ok {
		return nil
	}
	if name == "query" || name == "operationName" {
		return badRequest("The parameter %s must be a string.", name)
	}
	return badRequest("The parameter %s must be a JSON object.", name)
}

// readGet reads the parameters from the URL; empty ones are as if they were absent.
func readGet(req *http.Request) (c call, _ *Error) {
	params := req.URL.Query()
	c.query, c.operation = params.Get("query"), params.Get("operationName")
	if c.query == "" {
		return c, badRequest("The parameter query is missing: a string with a GraphQL document.")
	}
	for _, name := range []string{"variables", "extensions"} {
		text := params.Get(name)
		if text == "" {
			continue
		}
		p := jsontext.NewParser([]byte(text))
		bad := c.parameter(name, p)
		if p.End() != nil {
			bad = badRequest("The parameter %s must be a JSON object.", name)
		}
		if bad != nil {
			return c, bad
		}
	}
	return c, nil
}
