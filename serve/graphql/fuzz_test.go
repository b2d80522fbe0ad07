package graphql

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRequest: whatever is sent, the answer is well-formed and blames the client, never the
// gateway. Run it with go test ./serve/graphql -run xxx -fuzz FuzzRequest.
func FuzzRequest(f *testing.F) {
	files, err := filepath.Glob("testdata/*.g*ql")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range strings.Split(string(text), "### ") {
			_, document, _ := strings.Cut(section, "\n")
			variables := "{}"
			for line := range strings.Lines(document) {
				if v, ok := strings.CutPrefix(line, "# variables:"); ok {
					variables = v
				}
			}
			f.Add(document, variables, "")
		}
	}
	f.Add("query A($w: [ProductWhere!]) { products(where: {and: $w, or: $w}) { totalCount } }", `{"w":[{"not":{"and":[]}},{"sku":null},{}]}`, "A")
	f.Add("query ($o: [ProductOrderBy!] = [{field: SKU}], $n: Int = 3) { products(orderBy: $o, first: $n, after: null) { edges { cursor } } }", `{"o":[]}`, "")
	s, _ := seeded(f, nil)
	f.Fuzz(func(t *testing.T, document, variables, operation string) {
		q := url.Values{"query": {document}, "variables": {variables}, "operationName": {operation}}
		req := httptest.NewRequest(http.MethodGet, "/graphql?"+q.Encode(), nil)
		req.Header.Set("Accept", grj)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		if !json.Valid(w.Body.Bytes()) || w.Code >= 500 {
			t.Fatalf("%q %q: %d %s", document, variables, w.Code, w.Body)
		}
	})
}
