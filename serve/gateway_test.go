package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"tributary/internal/golden"
	"tributary/serve/freshness"
	"tributary/serve/servetest"
	"tributary/sinks/views"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func gateway(t testing.TB, f *servetest.Fixture, change func(*Options)) *Gateway {
	t.Helper()
	o := Options{Mesh: f.Mesh, Store: f.Store, Freshness: f.Tracker, Log: zerolog.New(zerolog.NewTestWriter(t))}
	if change != nil {
		change(&o)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func seeded(t testing.TB) (*Gateway, *servetest.Fixture) {
	t.Helper()
	f := servetest.New(t)
	f.Seed(t)
	f.VerifyAll(t)
	return gateway(t, f, nil), f
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	return send(h, http.MethodGet, target, header...)
}

func send(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// GraphQL and REST share prepared statements, and each has a mark of its own that it replaces in
// the rows: a statement of the one must not answer the other.
func TestQueriesOfOneFormKeepTheirMarks(t *testing.T) {
	graphql := "/graphql?query=" + url.QueryEscape(`{ product(sku: "SKU-1") { _meta { state } sku } }`)
	const rest = "/v1/products/SKU-1?fields=sku"
	for _, order := range [][]string{{graphql, rest}, {rest, graphql}} {
		g, _ := seeded(t)
		for _, target := range order {
			want := `{"sku":"SKU-1"}`
			if target == graphql {
				want = `{"data":{"product":{"_meta":{"state":"LIVE"},"sku":"SKU-1"}}}`
			}
			if w := get(g, target); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want {
				t.Errorf("%s: %d %s, want %s", target, w.Code, w.Body, want)
			}
		}
	}
}

// TestREST sends the requests of testdata/rest.http and compares answers with headers.
func TestREST(t *testing.T) {
	g, _ := seeded(t)
	text, err := os.ReadFile("testdata/rest.http")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, section := range strings.Split(string(text), "### ")[1:] {
		name, line, _ := strings.Cut(section, "\n")
		method, target, _ := strings.Cut(strings.TrimSpace(line), " ")
		w := send(g, method, target)
		fmt.Fprintf(&out, "### %s\n%s\n%d\n", name, strings.TrimSpace(line), w.Code)
		for _, h := range []string{"Content-Type", "Tributary-State", "Tributary-Staleness", "Etag", "Cache-Control", "Allow"} {
			if v := w.Header().Get(h); v != "" {
				fmt.Fprintf(&out, "%s: %s\n", h, v)
			}
		}
		fmt.Fprintf(&out, "\n%s\n", pretty(w))
	}
	golden.Compare(t, "testdata/rest.golden", out.String())
}

func pretty(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	if json.Indent(&b, w.Body.Bytes(), "", "  ") != nil {
		return w.Body.String()
	}
	return b.String()
}

func TestConditionalRequests(t *testing.T) {
	g, f := seeded(t)
	const url = "/v1/products/SKU-1?fields=price"
	first := get(g, url)
	tag := first.Header().Get("Etag")
	for _, header := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
		w := get(g, url, "If-None-Match", header)
		if w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("Etag") != tag || w.Header().Get("Tributary-State") != "LIVE" {
			t.Errorf("If-None-Match: %s: %d %q %v", header, w.Code, w.Body, w.Header())
		}
	}
	if w := get(g, url, "If-None-Match", `"other"`); w.Code != http.StatusOK {
		t.Errorf("another tag: %d", w.Code)
	}
	if w := send(g, http.MethodHead, url); w.Code != http.StatusOK || w.Body.Len() > 0 || w.Header().Get("Etag") != tag || w.Header().Get("Content-Length") != fmt.Sprint(first.Body.Len()) {
		t.Errorf("HEAD: %d %q %v", w.Code, w.Body, w.Header())
	}
	f.Put(t, "product", f.Row(f.Entity("product"), "SKU-1", servetest.Values{"sku": "SKU-1", "price": int64(1300)}))
	if w := get(g, url, "If-None-Match", tag); w.Code != http.StatusOK || w.Header().Get("Etag") == tag {
		t.Errorf("after a change: %d with tag %s", w.Code, w.Header().Get("Etag"))
	}
}

// TestFreshnessOfAnswers walks a product through the states.
func TestFreshnessOfAnswers(t *testing.T) {
	f := servetest.New(t)
	g := gateway(t, f, nil)
	expect := func(what, url, state, staleness string) {
		t.Helper()
		w := get(g, url)
		if got := w.Header().Get("Tributary-State"); got != state {
			t.Errorf("%s: state %s, want %s", what, got, state)
		}
		if got := w.Header().Get("Tributary-Staleness"); got != staleness {
			t.Errorf("%s: staleness %q, want %q", what, got, staleness)
		}
	}
	const one, list = "/v1/products/SKU-1?fields=sku", "/v1/products?fields=sku"
	expect("never verified", one, "UNKNOWN", "")
	f.Tracker.SetStream("erp.material", freshness.StreamStatus{Snapshotting: true})
	f.Tracker.SetStream("pim.product", freshness.StreamStatus{Snapshotting: true})
	expect("first snapshot", one, "SNAPSHOTTING", "")
	f.Verify(t, "erp.material", f.Now)
	expect("one stream of two", list, "SNAPSHOTTING", "")
	f.Tracker.SetStream("pim.product", freshness.StreamStatus{})
	f.Verify(t, "pim.product", f.Now.Add(-3*time.Second))
	expect("verified, absent", one, "LIVE", "3000")
	f.Seed(t)
	expect("verified", one, "LIVE", "3000")
	expect("a list with a held row", list, "DEGRADED", "60000")
	f.Now = f.Now.Add(20 * time.Second)
	expect("no claims for 23 s", one, "LAGGING", "23000")
	expect("price has bounds of its own", "/v1/products/SKU-1?fields=price", "LIVE", "23000")
	f.Now = f.Now.Add(time.Minute)
	expect("no claims for 83 s", one, "STALLED", "83000")
	expect("price", "/v1/products/SKU-1?fields=price", "LAGGING", "83000")
	f.VerifyAll(t)
	f.Tracker.SetStream("erp.material", freshness.StreamStatus{DownSince: f.Now})
	expect("source down", one, "STALLED", "5000")
	f.Tracker.SetStream("erp.material", freshness.StreamStatus{DeadLetters: 3})
	expect("dead letters of other entities", one, "LIVE", "5000")
	f.Tracker.SetStream("erp.material", freshness.StreamStatus{DeadLetters: 3, Unplaced: 1})
	expect("an unplaced dead letter, found", one, "LIVE", "5000")
	expect("an unplaced dead letter, absent", "/v1/products/SKU-9", "DEGRADED", "5000")
	expect("an unplaced dead letter, list", "/v1/products?filter[sku]=SKU-1", "DEGRADED", "5000")
}

// TestPartitionsOfAnswers: by id the row's partition counts, of a list all of them.
func TestPartitionsOfAnswers(t *testing.T) {
	g, f := seeded(t)
	p := f.Tracker.Snapshot("product").PartitionOf("SKU-1")
	if err := f.Tracker.Update("product", p, []views.Frontier{{Partition: p, Stream: "pim.product", Through: f.Now.Add(-9 * time.Second)}}); err != nil {
		t.Fatal(err)
	}
	var stale []string
	for i := range 20 {
		id := fmt.Sprintf("SKU-%d", i)
		want := "5000"
		if f.Tracker.Snapshot("product").PartitionOf(id) == p {
			want = "9000"
		}
		got := get(g, "/v1/products/"+id).Header().Get("Tributary-Staleness")
		if id != "SKU-2" && got != want { // SKU-2 is held
			t.Errorf("%s: staleness %s, want %s", id, got, want)
		}
		stale = append(stale, got)
	}
	if !slices.Contains(stale, "5000") {
		t.Error("all ids lie in one partition: the test shows nothing")
	}
	if got := get(g, "/v1/products?filter[sku]=none").Header().Get("Tributary-Staleness"); got != "9000" {
		t.Errorf("list: staleness %s, want that of the worst partition", got)
	}
}

func TestUnplacedPaths(t *testing.T) {
	g, _ := seeded(t)
	if w := get(g, "/v1/products?after="+strings.Repeat("x", maxURL)); w.Code != http.StatusRequestURITooLong {
		t.Errorf("long URL: %d", w.Code)
	}
	f := servetest.New(t)
	g = gateway(t, f, func(o *Options) { o.Ready = func() error { return errors.New("view product: 3 of 4 partitions") } })
	if w := get(g, "/readyz"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "view product: 3 of 4") {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
}
