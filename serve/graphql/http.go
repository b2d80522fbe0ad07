package graphql

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
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
func parseCall(body []byte) (c call, _ *Error) {
	var raw struct {
		Query, OperationName, Variables, Extensions json.RawMessage
	}
	if err := json.Unmarshal(body, &raw); err != nil || len(body) == 0 {
		return c, badRequest("The body is not a JSON object such as {\"query\":\"{ __typename }\"}.")
	}
	return c, c.read(raw.Query, raw.OperationName, raw.Variables, raw.Extensions)
}

func readGet(req *http.Request) (c call, _ *Error) {
	params := req.URL.Query()
	quoted := func(name string) json.RawMessage {
		if v := params.Get(name); v != "" {
			text, _ := json.Marshal(v)
			return text
		}
		return nil
	}
	return c, c.read(quoted("query"), quoted("operationName"), json.RawMessage(params.Get("variables")), json.RawMessage(params.Get("extensions")))
}

func (c *call) read(query, operation, variables, extensions json.RawMessage) *Error {
	if err := readString(query, &c.query); err != nil || c.query == "" {
		return badRequest("The parameter query must be a string with a GraphQL document.")
	}
	if err := readString(operation, &c.operation); err != nil {
		return badRequest("The parameter operationName must be a string.")
	}
	var ignored map[string]json.RawMessage
	if len(extensions) > 0 && json.Unmarshal(extensions, &ignored) != nil {
		return badRequest("The parameter extensions must be a JSON object.")
	}
	if len(variables) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(variables))
	d.UseNumber() // integers beyond 2^53 and decimals keep their digits
	if err := d.Decode(&c.variables); err != nil {
		return badRequest("The parameter variables must be a JSON object.")
	}
	if _, err := d.Token(); err != io.EOF {
		return badRequest("The parameter variables must be one JSON object.")
	}
	return nil
}

// readString reads a JSON string; null and nothing are "".
func readString(raw json.RawMessage, into *string) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}
