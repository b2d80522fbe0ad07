package serve

import (
	"encoding/json"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestAnswersMeetOpenAPI holds real answers against the schemas that the gateway publishes.
func TestAnswersMeetOpenAPI(t *testing.T) {
	g, _ := seeded(t)
	doc, err := openapi3.NewLoader().LoadFromData(get(g, "/openapi.json").Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for target, schema := range map[string]string{
		"/v1/products/SKU-1":                         "Product",
		"/v1/products/SKU-3":                         "Product",
		"/v1/products/SKU-1?locale=en":               "Product",
		"/v1/products/SKU-2?include=provenance":      "Product",
		"/v1/products":                               "ProductPage",
		"/v1/variants?first=1&include=provenance":    "VariantPage",
		"/v1/_status":                                "Status",
		"/v1/_why/product/SKU-1":                     "Why",
		"/v1/_why/product/SKU-2":                     "Why",
		"/v1/_why/product/SKU-1?field=prise":         "Problem",
		"/v1/products/none":                          "Problem",
		"/v1/products?filter[price][is]=1&fields=no": "Problem",
	} {
		var value any
		if err := json.Unmarshal(get(g, target).Body.Bytes(), &value); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		ref := doc.Components.Schemas[schema]
		if ref == nil {
			t.Fatalf("%s: no schema %s", target, schema)
		}
		if err := ref.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()); err != nil {
			t.Errorf("%s is no %s: %v", target, schema, err)
		}
	}
}
