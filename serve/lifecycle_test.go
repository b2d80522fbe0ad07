package serve

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"

	"tributary/serve/servetest"
	"tributary/serve/statements"
	"tributary/sinks/views"
)

// A wrapped store runs a function before each statement's rows are read.
type wrapped struct {
	statements.Preparer
	before func()
}

type wrappedStatement struct {
	views.Statement
	before func()
}

func (w wrapped) Prepare(ctx context.Context, q *views.Query) (views.Statement, error) {
	s, err := w.Preparer.Prepare(ctx, q)
	return wrappedStatement{s, w.before}, err
}

func (s wrappedStatement) Run(ctx context.Context, args []any, fn func(json, cursor []byte) error) error {
	s.before()
	return s.Statement.Run(ctx, args, fn)
}

func postGraphQL(url, query string) (int, string, error) {
	resp, err := http.Post(url+"/graphql", "application/json", strings.NewReader(fmt.Sprintf(`{"query":%q}`, query)))
	if err != nil {
		return 0, "", err
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	return resp.StatusCode, string(body), err
}

// TestFrontierIsTakenBeforeTheRead (I4): a frontier that rises while rows are read must not be
// claimed by that answer.
func TestFrontierIsTakenBeforeTheRead(t *testing.T) {
	f := servetest.New(t)
	f.Seed(t)
	f.VerifyAll(t)
	g := gateway(t, f, func(o *Options) {
		o.Store = wrapped{f.Store, func() {
			for _, s := range f.Tracker.Streams() {
				f.Verify(t, s, f.Now)
			}
		}}
	})
	for _, read := range []func() string{
		func() string { return get(g, "/v1/products/SKU-1").Header().Get("Tributary-Staleness") },
		func() string { return get(g, "/v1/products/none").Header().Get("Tributary-Staleness") },
		func() string { return get(g, "/v1/variants").Header().Get("Tributary-Staleness") },
		func() string { return stalenessOf(g, `{variant(id:11){_meta{stalenessMs}}}`) },
		func() string { return stalenessOf(g, `{variants{nodes{id}_meta{stalenessMs}}}`) },
	} {
		f.VerifyAll(t)
		if got := read(); got != "5000" {
			t.Errorf("staleness %s, want 5000: the answer claims what came after its read began", got)
		}
	}
}

func stalenessOf(g *Gateway, query string) string {
	w := get(g, "/graphql?query="+query)
	_, rest, _ := strings.Cut(w.Body.String(), `"stalenessMs":`)
	n, _, _ := strings.Cut(rest, "}")
	return n
}

func TestServeFinishesRunningRequests(t *testing.T) {
	f := servetest.New(t)
	f.Seed(t)
	reading, release := make(chan struct{}, 8), make(chan struct{})
	g := gateway(t, f, func(o *Options) {
		o.Store = wrapped{f.Store, func() { reading <- struct{}{}; <-release }}
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx, ln) }()
	answered := make(chan string, 1)
	go func() {
		_, body, err := postGraphQL(url, `{ product(sku: "SKU-1") { sku } }`)
		answered <- fmt.Sprint(body, err)
	}()
	<-reading
	stop()
	for { // until no new connection is taken
		conn, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second)
		if err != nil {
			break
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	if got := <-answered; got != `{"data":{"product":{"sku":"SKU-1"}}}<nil>` {
		t.Errorf("the running request got %s", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestServeReportsAClosedListener(t *testing.T) {
	f := servetest.New(t)
	g := gateway(t, f, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Serve(t.Context(), ln); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("error: %v", err)
	}
}

// TestPanicIsNotShown: a client sees a problem, the log has the stack.
func TestPanicIsNotShown(t *testing.T) {
	f := servetest.New(t)
	var log strings.Builder
	g := gateway(t, f, func(o *Options) {
		o.Store = wrapped{f.Store, func() { panic("broken inside") }}
		o.Log = zerolog.New(&log)
	})
	for _, target := range []string{"/v1/products/SKU-1", "/v1/products", "/graphql?query={product(sku:\"x\"){sku}}"} {
		log.Reset()
		w := get(g, target)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "broken inside") || !strings.Contains(w.Body.String(), "log says why") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
		if !strings.Contains(log.String(), "broken inside") || !strings.Contains(log.String(), "lifecycle_test.go") {
			t.Errorf("%s: the log lacks the panic or its stack: %s", target, log.String())
		}
	}
}

// TestStoreFailure: what failed inside is in the log, not in the answer (I11).
func TestStoreFailure(t *testing.T) {
	f := servetest.New(t)
	var log strings.Builder
	g := gateway(t, f, func(o *Options) { o.Log = zerolog.New(&log) })
	if err := f.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/v1/products/SKU-1", "/v1/products", "/graphql?query={products{nodes{sku}}}"} {
		log.Reset()
		w := get(g, target)
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "closed") || !strings.Contains(log.String(), "closed") {
			t.Errorf("%s: %d %s; log: %s", target, w.Code, w.Body, log.String())
		}
	}
}

func TestTimeout(t *testing.T) {
	f := servetest.New(t)
	g := gateway(t, f, func(o *Options) { o.Timeout = time.Nanosecond })
	for _, target := range []string{"/v1/products/SKU-1", "/graphql?query={products{nodes{sku}}}"} {
		if w := get(g, target); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "took too long") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestMetrics(t *testing.T) {
	f := servetest.New(t)
	reg := prometheus.NewRegistry()
	g := gateway(t, f, func(o *Options) { o.Registerer = reg })
	for _, target := range []string{"/v1/products/a", "/v1/products/b", "/made/up", "/graphql?query={__typename}", "/graphql?query={__typename}"} {
		get(g, target)
	}
	send(g, "BREW", "/v1/products")
	page := get(promhttp.HandlerFor(reg, promhttp.HandlerOpts{}), "/metrics").Body.String()
	var got []string
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "tributary_gateway_documents_total") || strings.HasPrefix(line, "tributary_gateway_requests_total") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	want := []string{
		`tributary_gateway_documents_total{cache="hit"} 1`,
		`tributary_gateway_documents_total{cache="miss"} 1`,
		`tributary_gateway_requests_total{code="200",method="GET",route="/graphql"} 2`,
		`tributary_gateway_requests_total{code="404",method="GET",route="/v1/products/{id}"} 2`,
		`tributary_gateway_requests_total{code="404",method="GET",route="none"} 1`,
		`tributary_gateway_requests_total{code="405",method="other",route="none"} 1`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := New(Options{Mesh: f.Mesh, Store: f.Store, Freshness: f.Tracker, Registerer: reg}); err == nil {
		t.Error("metrics were registered twice")
	}
}

func TestOptions(t *testing.T) {
	_, err := New(Options{})
	if err == nil || strings.Count(err.Error(), "missing") != 3 {
		t.Errorf("not every fault is told: %v", err)
	}
}
