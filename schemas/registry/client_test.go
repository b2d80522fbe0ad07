package registry

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const productV1 = `{"type":"record","name":"P","fields":[{"name":"sku","type":"string"}]}`

// counting serves a registry and counts its requests.
func counting(t *testing.T, next http.Handler) (*Client, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	return dial(t, web.URL), &calls
}

func dial(t *testing.T, url string) *Client {
	t.Helper()
	c, err := NewClient(url, "", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClientRegistersOnceAndCaches(t *testing.T) {
	brokers, stop := startBroker(t, t.TempDir())
	t.Cleanup(stop)
	s, _, _ := startServer(t, brokers)
	c, calls := counting(t, s.Handler())
	ctx := t.Context()

	id, err := c.Register(ctx, "product-value", productV1)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, err := c.Register(ctx, "product-value", productV1); err != nil || again != id {
			t.Fatalf("id %d, %v; want %d", again, err, id)
		}
		if text, err := c.Schema(ctx, id); err != nil || text != productV1 {
			t.Fatalf("schema of id %d: %s, %v", id, text, err)
		}
	}
	if n := calls.Load(); n != 2 {
		t.Errorf("%d requests, want 2: one registration and one look-up", n)
	}
	latest, err := c.Latest(ctx, "product-value")
	if err != nil || latest != (Registered{ID: id, Version: 1, Schema: productV1}) {
		t.Errorf("latest: %+v, %v", latest, err)
	}
}

func TestClientErrors(t *testing.T) {
	brokers, stop := startBroker(t, t.TempDir())
	t.Cleanup(stop)
	s, _, _ := startServer(t, brokers)
	c, calls := counting(t, s.Handler())
	ctx := t.Context()
	if _, err := c.Register(ctx, "product-value", productV1); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(productV1, `"string"`, `"int"`, 1)
	_, err := c.Register(ctx, "product-value", changed)
	wantError(t, err, ErrIncompatible, "P.sku: the writer's string cannot be read as int")
	messages, err := c.Check(ctx, "product-value", changed)
	if err != nil || len(messages) != 1 || !strings.Contains(messages[0], "P.sku") {
		t.Errorf("check: %q, %v", messages, err)
	}
	if messages, err := c.Check(ctx, "new-value", changed); err != nil || messages != nil {
		t.Errorf("check against no versions: %q, %v", messages, err)
	}
	if err := c.SetLevel(ctx, "product-value", "NONE"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Register(ctx, "product-value", changed); err != nil {
		t.Errorf("at level NONE: %v", err)
	}
	_, err = c.Register(ctx, "product-value", `{"type":"nosuch"}`)
	wantError(t, err, ErrInvalidSchema, "nosuch")
	_, err = c.Latest(ctx, "nosuch-value")
	wantError(t, err, ErrUnknownSchema, "nosuch-value")
	before := calls.Load()
	for range 5 {
		_, err = c.Schema(ctx, 999)
		wantError(t, err, ErrUnknownSchema, "999")
	}
	if n := calls.Load() - before; n != 1 {
		t.Errorf("%d requests for an unknown id within %v, want 1", n, unknownFor)
	}
}

func TestClientWaitsForTheRegistry(t *testing.T) {
	var calls atomic.Int64
	c, _ := counting(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"id":7}`))
	}))
	if id, err := c.Register(t.Context(), "s", productV1); err != nil || id != 7 {
		t.Errorf("id %d, %v; want 7 at the third request", id, err)
	}
}

func TestClientUnreachable(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	c := dial(t, web.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.Schema(ctx, 1)
	wantError(t, err, ErrUnreachable, web.URL)
	wantError(t, err, context.DeadlineExceeded, "connection refused")

	c, _ = counting(t, http.NotFoundHandler())
	if _, err := c.Schema(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "no schema registry under this address") {
		t.Errorf("a web server that is no registry: %v", err)
	}
}

func TestClientKeepsSecrets(t *testing.T) {
	var user, password string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ = r.BasicAuth()
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(web.Close)
	c := dial(t, strings.Replace(web.URL, "http://", "http://me:hush@", 1))
	_, err := c.Latest(t.Context(), "s")
	if err == nil || !strings.Contains(err.Error(), "registry.password") {
		t.Errorf("refused credentials: %v", err)
	}
	if user != "me" || password != "hush" || strings.Contains(err.Error(), "hush") { // I11
		t.Errorf("sent %s:%s, error %v", user, password, err)
	}
	for _, bad := range []string{"http://me:hush@:bad port/", "ftp://me:hush@host", "me:hush@host"} {
		if _, err := NewClient(bad, "", ""); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("NewClient(%q): %v", bad, err)
		}
	}
}

func wantError(t *testing.T, err, is error, text string) {
	t.Helper()
	if !errors.Is(err, is) || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v; want %q and the text %q", err, is, text)
	}
}
