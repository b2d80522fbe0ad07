// Command tributary runs and operates a mesh.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"tributary/deploy/clickhouse"
)

func main() {
	if clickhouse.IsChild() {
		os.Exit(clickhouse.Main(os.Args[1:]))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(60) // a mesh on a laptop gives a little speed for a third of its peak memory
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// An exitError carries the exit code that an error is to end the program with.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}
