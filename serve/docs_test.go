package serve

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tributary/mesh"
	"tributary/serve/freshness"
	"tributary/sinks/views/sqlite"
)

// acme is a gateway over the example's mesh, without rows.
func acme(t *testing.T) *Gateway {
	t.Helper()
	m, err := mesh.Load([]string{"../examples/acme/mesh.yaml"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "views.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Define(t.Context(), m.Entities); err != nil {
		t.Fatal(err)
	}
	g, err := New(Options{Mesh: m, Store: store, Freshness: freshness.New(m, 4, time.Now)})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestDocs runs every example of docs/graphql.md and docs/rest.md.
func TestDocs(t *testing.T) {
	g := acme(t)
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	blocks := regexp.MustCompile("(?s)```graphql\n(.*?)```").FindAllStringSubmatch(read("graphql.md"), -1)
	if len(blocks) < 5 {
		t.Fatalf("only %d GraphQL examples were found", len(blocks))
	}
	for _, b := range blocks {
		w := get(g, "/graphql?query="+url.QueryEscape(b[1])+"&variables="+url.QueryEscape(`{"sku":"SKU-100001"}`))
		if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"errors"`) {
			t.Errorf("%s\n%d %s", b[1], w.Code, w.Body)
		}
	}
	body := regexp.MustCompile(`-d '(\{.*\})'`).FindStringSubmatch(read("graphql.md"))
	if body == nil || !json.Valid([]byte(body[1])) {
		t.Errorf("the body of the curl example is not JSON: %v", body)
	}
	targets := regexp.MustCompile(`http://127\.0\.0\.1:8080(/[^'\s)]*)`).FindAllStringSubmatch(read("rest.md"), -1)
	if len(targets) < 10 {
		t.Fatalf("only %d REST examples were found", len(targets))
	}
	for _, target := range targets {
		want := http.StatusOK
		switch {
		case strings.Contains(target[1], "[less]"):
			want = http.StatusBadRequest
		case strings.HasPrefix(target[1], "/v1/products/"):
			want = http.StatusNotFound // there are no rows
		}
		if w := get(g, target[1]); w.Code != want {
			t.Errorf("%s: %d, want %d: %s", target[1], w.Code, want, w.Body)
		}
	}
}
