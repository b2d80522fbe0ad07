package openapi

import (
	"bytes"
	"context"
	"flag"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"tributary/serve/servetest"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew")

// TestOpenAPI validates the document as OpenAPI 3.1 and compares it with the golden one.
func TestOpenAPI(t *testing.T) {
	got, err := OpenAPI(servetest.Mesh(t))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(got)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	if !doc.IsOpenAPI31OrLater() || doc.Paths.Find("/v1/products/{id}") == nil {
		t.Error("the document lacks its version or a path")
	}
	const path = "testdata/openapi.golden.json"
	if *rewrite {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; if that is meant, run go test ./serve/openapi -rewrite and look at the difference in git", path)
	}
}
