package graphql

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tributary/serve/catalog"
	"tributary/serve/rowmeta"
	"tributary/serve/servetest"
	"tributary/serve/statements"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

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

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run go test ./serve/graphql -rewrite\ngot:\n%s", path, diff(got, string(want)))
	}
}

// diff shows the first lines that differ.
func diff(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range g {
		if i >= len(w) || g[i] != w[i] {
			end := min(i+12, len(g))
			return fmt.Sprintf("line %d: %s\nwant: %s", i+1, strings.Join(g[i:end], "\n"), strings.Join(w[min(i, len(w)):min(i+12, len(w))], "\n"))
		}
	}
	return "shorter than wanted"
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
			golden(t, strings.TrimSuffix(filepath.Base(file), ".graphql")+".golden", out.String())
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
	golden(t, "schema.golden", text)
}
