package openapi

import (
	"context"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"tributary/internal/golden"
	"tributary/serve/servetest"
)

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
	golden.Compare(t, "testdata/openapi.golden.json", string(got))
}
