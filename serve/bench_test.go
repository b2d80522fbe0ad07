package serve

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"tributary/serve/servetest"
	"tributary/sinks/views"
)

// benchProducts is how many products the benchmarks read from, three variants each.
const benchProducts = 20_000

func filled(b *testing.B) *Gateway {
	b.Helper()
	f := servetest.New(b)
	p, v := f.Entity("product"), f.Entity("variant")
	var products, variants []views.Row
	for i := range benchProducts {
		sku := fmt.Sprintf("SKU-%07d", i)
		products = append(products, f.Row(p, sku, servetest.Values{
			"sku": sku, "name": map[string]string{"de": "Produkt " + sku, "en": "Product " + sku}, "price": int64(100 + i%99900),
			"stock": int64(i % 500), "status": "active", "ean": fmt.Sprintf("%013d", i), "brand": fmt.Sprintf("brand-%03d", i%300),
		}))
		for j := range 3 {
			id := int64(i*10 + j)
			variants = append(variants, f.Row(v, fmt.Sprint(id), servetest.Values{"id": id, "product": sku, "colour": "red", "stock": int64(j)}))
		}
	}
	f.Put(b, "product", products...)
	f.Put(b, "variant", variants...)
	f.VerifyAll(b)
	return gateway(b, f, nil)
}

// discard is a ResponseWriter that keeps only the size of the answer.
type discard struct {
	header http.Header
	status int
	bytes  int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(b []byte) (int, error) { d.bytes += len(b); return len(b), nil }

// measure runs requests and reports them per second of this process's CPU.
func measure(b *testing.B, g *Gateway, request func(i int) *http.Request) {
	b.Helper()
	before := cpu(b)
	total := 0
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		g.ServeHTTP(w, request(n))
		if w.status != http.StatusOK {
			b.Fatalf("status %d", w.status)
		}
		total += w.bytes
		n++
	}
	b.ReportMetric(float64(n)/(cpu(b)-before), "req/cpu-s")
	b.ReportMetric(float64(total)/float64(n), "B/answer")
}

func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func graphqlRequest(query, variables string) *http.Request {
	req, err := http.NewRequest(http.MethodPost, "http://gateway/graphql", io.NopCloser(strings.NewReader(`{"query":"`+query+`","variables":`+variables+`}`)))
	if err != nil {
		panic(err)
	}
	req.RequestURI = "/graphql"
	req.Header["Content-Type"] = []string{"application/json"}
	return req
}

func sku(i int) string { return fmt.Sprintf("SKU-%07d", i*7919%benchProducts) }

func BenchmarkGraphQLByID(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return graphqlRequest("query ($sku: String!) { product(sku: $sku) { sku price stock status ean brand name(locale: \\\"en\\\") listed } }", `{"sku":"`+sku(i)+`"}`)
	})
}

func BenchmarkGraphQLByIDWithMeta(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return graphqlRequest("query ($sku: String!) { product(sku: $sku) { sku price stock _meta { version verifiedThrough stalenessMs state } } }", `{"sku":"`+sku(i)+`"}`)
	})
}

func BenchmarkGraphQLNested(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return graphqlRequest("query ($b: String) { products(where: {brand: {eq: $b}}, first: 20) { nodes { sku price stock variants { id colour stock } } } }",
			fmt.Sprintf(`{"b":"brand-%03d"}`, i*7%300))
	})
}

func BenchmarkGraphQLPage(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return graphqlRequest("query ($b: String, $p: Decimal) { products(where: {brand: {eq: $b}, price: {gt: $p}}, orderBy: [{field: PRICE}], first: 50) { nodes { sku price stock } pageInfo { endCursor hasNextPage } } }",
			fmt.Sprintf(`{"b":"brand-%03d","p":"%d.5"}`, i*7%300, i%50))
	})
}

// BenchmarkGraphQLNeverRepeated sends documents of which none comes twice.
func BenchmarkGraphQLNeverRepeated(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return graphqlRequest(fmt.Sprintf("query Q%d { product(sku: \\\"%s\\\") { sku price stock variants { id a%d: colour } } }", i, sku(i), i), "{}")
	})
}

func BenchmarkRESTByID(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request { return restRequest("/v1/products/" + sku(i)) })
}

func BenchmarkRESTList(b *testing.B) {
	g := filled(b)
	measure(b, g, func(i int) *http.Request {
		return restRequest(fmt.Sprintf("/v1/products?filter[brand]=brand-%03d&fields=sku,price,stock", i*7%300))
	})
}

func restRequest(target string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, "http://gateway"+target, nil)
	if err != nil {
		panic(err)
	}
	req.RequestURI = target
	return req
}
