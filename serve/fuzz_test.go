package serve

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
)

// FuzzREST: whatever the parameters are, the answer is well-formed, tells its freshness and
// blames the client, never the gateway. Run it with go test ./serve -run xxx -fuzz FuzzREST.
func FuzzREST(f *testing.F) {
	text, err := os.ReadFile("testdata/rest.http")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if target, ok := strings.CutPrefix(strings.TrimSpace(line), "GET /v1/products"); ok {
			path, query, _ := strings.Cut(target, "?")
			f.Add(path, query)
		}
	}
	g, _ := seeded(f)
	f.Fuzz(func(t *testing.T, path, query string) {
		req := httptest.NewRequest(http.MethodGet, "/v1/products", nil)
		req.URL = &url.URL{Path: "/v1/products" + path, RawQuery: query}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, req)
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 {
			t.Fatalf("%q %q: %d %s", path, query, w.Code, w.Body)
		}
		id, isOne := strings.CutPrefix(path, "/")
		if (path == "" || isOne && id != "" && !strings.Contains(id, "/")) && w.Header().Get("Tributary-State") == "" {
			t.Fatalf("%q %q: no state: %d %s", path, query, w.Code, w.Body)
		}
	})
}
