package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"testing"
)

// A suite calls one registry.
type suite struct {
	base string
	run  string // distinguishes this run's subjects from all others
}

// subject makes a subject of this run.
func (s *suite) subject(name string) string { return "conformance-" + s.run + "-" + name }

// at gives the path of a subject and what follows it.
func at(prefix, subject, rest string) string { return prefix + url.PathEscape(subject) + rest }

// An answer is what a registry said.
type answer struct {
	status int
	body   any // decoded JSON
	raw    string
}

func (a answer) field(name string) any {
	object, _ := a.body.(map[string]any)
	return object[name]
}

// number reads an integer of the answer; -1 if there is none.
func (a answer) number(name string) int {
	if f, ok := a.field(name).(float64); ok {
		return int(f)
	}
	return -1
}

func (s *suite) call(t *testing.T, method, path string, body any) answer {
	t.Helper()
	var in io.Reader
	if text, ok := body.(string); ok {
		in = bytes.NewBufferString(text)
	} else if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	a := answer{status: resp.StatusCode, raw: string(raw)}
	if err := json.Unmarshal(raw, &a.body); err != nil {
		t.Fatalf("%s %s: status %d, the body is not JSON: %s", method, path, resp.StatusCode, raw)
	}
	return a
}

// ok calls and wants a 200.
func (s *suite) ok(t *testing.T, method, path string, body any) answer {
	t.Helper()
	a := s.call(t, method, path, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s %s: status %d: %s", method, path, a.status, a.raw)
	}
	return a
}

// fails calls and wants one of the error codes, with its status and a message.
func (s *suite) fails(t *testing.T, method, path string, body any, codes ...int) {
	t.Helper()
	a := s.call(t, method, path, body)
	for _, code := range codes {
		status := code
		if code >= 1000 {
			status = code / 100
		}
		if a.status == status && a.number("error_code") == code && a.field("message") != "" {
			return
		}
	}
	t.Errorf("%s %s: status %d, %s; want error_code %v", method, path, a.status, a.raw, codes)
}

// gives calls and wants a 200 with this JSON as its body.
func (s *suite) gives(t *testing.T, method, path string, body any, want string) {
	t.Helper()
	a := s.ok(t, method, path, body)
	if !reflect.DeepEqual(a.body, parsed(t, want)) {
		t.Errorf("%s %s: %s, want %s", method, path, a.raw, want)
	}
}

// register wants the schema to be accepted and gives its id.
func (s *suite) register(t *testing.T, subject, schema string) int {
	t.Helper()
	id := s.ok(t, http.MethodPost, at("/subjects/", subject, "/versions"), schemaBody(schema)).number("id")
	if id < 1 {
		t.Fatalf("register under %s: id %d", subject, id)
	}
	return id
}

func schemaBody(schema string) map[string]any { return map[string]any{"schema": schema} }

func parsed(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
