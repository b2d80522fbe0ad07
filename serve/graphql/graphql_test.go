package graphql

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tributary/internal/golden"
	"tributary/serve/catalog"
	"tributary/serve/rowmeta"
	"tributary/serve/servetest"
	"tributary/serve/statements"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func server(t testing.TB, f *servetest.Fixture, change func(*Options)) *Server {
	t.Helper()
	c, err := catalog.New(f.Mesh)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Catalog: c, Statements: statements.New(f.Store), Freshness: f.Tracker, Decode: rowmeta.FromSchemas, Log: zerolog.New(zerolog.NewTestWriter(t))}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// seeded is a server over the fixture's rows, all streams verified.
func seeded(t testing.TB, change func(*Options)) (*Server, *servetest.Fixture) {
	t.Helper()
	f := servetest.New(t)
	f.Seed(t)
	f.VerifyAll(t)
	return server(t, f, change), f
}

func post(s http.Handler, query, variables string, header ...string) *httptest.ResponseRecorder {
	body, err := json.Marshal(map[string]any{"query": query, "variables": json.RawMessage(variables)})
	if err != nil {
		panic(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, req)
	return w
}

// TestAnswers runs the documents of testdata/*.graphql. A file holds cases: a line
// "### name", an optional line "# variables: JSON", the document.
func TestAnswers(t *testing.T) {
	files, err := filepath.Glob("testdata/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	s, _ := seeded(t, nil)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".graphql"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			for _, section := range strings.Split(string(text), "### ")[1:] {
				name, document, _ := strings.Cut(section, "\n")
				variables := "null"
				for line := range strings.Lines(document) {
					if v, ok := strings.CutPrefix(line, "# variables:"); ok {
						variables = v
					}
				}
				w := post(s, document, variables, "Accept-Language", "de-AT, en;q=0.5")
				fmt.Fprintf(&out, "### %s: %d\n%s\n", name, w.Code, indent(t, name, w.Body.Bytes()))
			}
			golden.Compare(t, strings.TrimSuffix(file, ".graphql")+".golden", out.String())
		})
	}
}

func indent(t *testing.T, name string, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Errorf("%s: the answer is not JSON: %v\n%s", name, err, body)
	}
	return b.String()
}

func TestSDL(t *testing.T) {
	text, err := SDL(servetest.Mesh(t))
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/schema.golden", text)
}
