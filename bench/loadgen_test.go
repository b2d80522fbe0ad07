package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLoadIsCountedAfterTheWarmUp sends to a server that notes the numbers in its requests.
func TestLoadIsCountedAfterTheWarmUp(t *testing.T) {
	var mu sync.Mutex // protects seen and refused
	seen := map[string]int{}
	refused := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[string(body)]++
		if len(seen)%10 == 0 {
			refused++
			w.WriteHeader(http.StatusTeapot)
		}
		_, _ = io.WriteString(w, "twelve bytes")
	}))
	defer server.Close()
	g := &generator{addr: strings.TrimPrefix(server.URL, "http://"),
		requests: [][]byte{[]byte("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 20\r\n\r\n" + unique)}}
	before := 0
	report, err := g.run(context.Background(), 4, 50*time.Millisecond, 200*time.Millisecond, func() {
		mu.Lock()
		defer mu.Unlock()
		before = len(seen)
	})
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for body, n := range seen {
		if n > 1 || len(body) != len(unique) || strings.Contains(body, "@") {
			t.Fatalf("the number %q came %d times", body, n)
		}
	}
	// The server may have seen more: what is under way at either end does not count.
	if after := int64(len(seen) - before); report.Requests < 1 || report.Requests > after+4 {
		t.Errorf("%d requests counted of %d after the warm-up", report.Requests, after)
	}
	if report.Bytes != 12*report.Requests || report.Errors > int64(refused) || report.Requests > 20 && report.Errors == 0 {
		t.Errorf("counted %d bytes and %d errors of %d requests", report.Bytes, report.Errors, report.Requests)
	}
	if report.P50 <= 0 || report.P99 < report.P50 {
		t.Errorf("p50 %v, p99 %v", report.P50, report.P99)
	}
}

func TestRequestsOfTheCasesAreWhole(t *testing.T) {
	for _, c := range servingCases(1000) {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(c.request(7) + "GET")))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		body, err := io.ReadAll(request.Body)
		if err != nil || request.Method == http.MethodPost && !json.Valid(body) {
			t.Errorf("%s: %v, body %q", c.name, err, body)
		}
		if c.request(8) == c.request(7) {
			t.Errorf("%s: two requests are the same", c.name)
		}
	}
}
