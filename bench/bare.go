package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// First words of command lines that benches start in processes of their own.
const (
	bareWord = "serve-bare"
	loadWord = "generate-load"
)

// bareBytes is the length of what the bare handler answers: about one product by its id.
const bareBytes = 480

// serveBare is the physical limit that the gateway is held against: net/http with a handler that
// does nothing. It prints its URL and serves until ctx ends.
func serveBare(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	body := []byte(strings.Repeat("x", bareBytes))
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that has gone is no matter
	})}
	fmt.Fprintln(stdout, "http://"+listener.Addr().String())
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	err = server.Close()
	<-done
	return err
}
