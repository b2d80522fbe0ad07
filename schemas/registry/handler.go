package registry

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/go-chi/chi/v5"
)

const mediaType = "application/vnd.schemaregistry.v1+json"

// A call answers a request with a value for JSON or an error, best an *apiError.
type call func(*http.Request) (any, error)

// Handler serves the registry's HTTP interface.
func (s *Server) Handler() http.Handler {
	r := chi.NewRouter()
	s.subjectRoutes(r)
	s.schemaRoutes(r)
	s.configRoutes(r)
	get(r, "/", func(*http.Request) (any, error) { return struct{}{}, nil })
	get(r, "/contexts", func(*http.Request) (any, error) { return []string{"."}, nil })
	r.NotFound(answer(func(*http.Request) (any, error) {
		return nil, fail(codeNoSuchPath, "HTTP 404 Not Found")
	}))
	r.MethodNotAllowed(answer(func(*http.Request) (any, error) {
		return nil, fail(codeMethod, "HTTP 405 Method Not Allowed")
	}))
	// The registry listens on loopback without a password: keep pages of other origins out.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(answer(func(*http.Request) (any, error) {
		return nil, fail(codeForbiddenBrowser, "Requests from pages of another origin are refused.")
	}))
	return guard.Handler(r)
}

func get(r chi.Router, path string, c call)  { r.Method(http.MethodGet, path, answer(c)) }
func post(r chi.Router, path string, c call) { r.Method(http.MethodPost, path, answer(c)) }
func put(r chi.Router, path string, c call)  { r.Method(http.MethodPut, path, answer(c)) }
func del(r chi.Router, path string, c call)  { r.Method(http.MethodDelete, path, answer(c)) }

// answer writes what a call gives.
func answer(c call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status := http.StatusOK
		body, err := c(r)
		if err != nil {
			var known *apiError
			if !errors.As(err, &known) {
				known = fail(codeStore, "%v", err)
			}
			status, body = known.status(), known
		}
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		_, _ = w.Write(encode(body)) // a client that went away is no concern of ours
	}
}

// decode reads a request's body; members that are not known are left alone.
func decode(r *http.Request, into any) error {
	raw, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fail(codeTooLarge, "The body is larger than the limit of %d bytes.", large.Limit)
	case err != nil:
		return fail(codeMalformed, "The body could not be read: %v.", err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fail(codeMalformed, "The body is not the JSON that is expected here: %v.", err)
	}
	return nil
}

// param gives a part of the path. The router sees the escaped path where escapes matter
// (a subject with %2F), and then gives its parts escaped.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v
	}
	if plain, err := url.PathUnescape(v); err == nil {
		return plain
	}
	return v
}

func flag(r *http.Request, name string) bool {
	on, _ := strconv.ParseBool(r.URL.Query().Get(name)) // anything else is false, as at Confluent's
	return on
}

// page cuts a list by the query's offset and limit; a negative limit means all.
func page[T any](r *http.Request, all []T) []T {
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("offset"))
	from = min(max(from, 0), len(all))
	all = all[from:]
	if limit, err := strconv.Atoi(q.Get("limit")); err == nil && limit >= 0 {
		all = all[:min(limit, len(all))]
	}
	if all == nil {
		return []T{} // an empty list is [], never null
	}
	return all
}
