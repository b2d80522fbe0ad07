package clickhouse

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tributary/internal/tools"
)

// Subcommand is the first argument that Start gives to the program it re-executes: the program
// mounts Main under it, hidden from its help.
const Subcommand = "clickhouse-engine"

// childVariable marks the child's environment, so that programs without subcommands (tests) can
// tell before they do anything else.
const childVariable = "TRIBUTARY_CLICKHOUSE_ENGINE"

// readyPrefix starts the one line that the child prints, with its address behind it.
const readyPrefix = "listening "

// drainTime is how long running statements may take after the child was asked to end.
const drainTime = 5 * time.Second

// IsChild says whether this process was started by Start to be the engine. A TestMain that starts
// engines begins with
//
//	if clickhouse.IsChild() {
//		os.Exit(clickhouse.Main(os.Args[1:]))
//	}
func IsChild() bool { return os.Getenv(childVariable) == "1" }

// Main is the child process: it serves the engine until SIGTERM, or until its standard input
// ends, which it does when the parent dies in whatever way. It gives the exit code.
func Main(args []string) int {
	if len(args) > 0 && args[0] == Subcommand {
		args = args[1:]
	}
	var cfg Config
	flags := flag.NewFlagSet(Subcommand, flag.ContinueOnError)
	flags.StringVar(&cfg.LibPath, "lib", "", "the engine's library")
	flags.StringVar(&cfg.Dir, "dir", "", "folder of the engine's tables")
	flags.StringVar(&cfg.Addr, "addr", "", "loopback address to serve HTTP on")
	flags.Int64Var(&cfg.Memory, "memory", 0, "bytes that the engine may allocate")
	flags.IntVar(&cfg.Concurrency, "concurrency", 0, "statements at once")
	flags.DurationVar(&cfg.MaxExecution, "max-execution", 0, "longest time of a statement")
	flags.DurationVar(&cfg.StartTimeout, "start-timeout", 0, "longest time until the engine answers")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := runChild(cfg, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runChild(cfg Config, parent io.Reader, out io.Writer) error {
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, os.Interrupt)
	defer stop()
	ctx, orphaned := context.WithCancel(ctx)
	go func() {
		io.Copy(io.Discard, parent)
		orphaned()
	}()
	lib, version, unlock, err := openEngine(ctx, cfg)
	if err != nil {
		return err
	}
	defer unlock()
	base, err := lib.open()
	if err != nil {
		return err
	}
	defer base.close()
	return serve(ctx, cfg, newHandler(lib, version, cfg.Concurrency), out)
}

// openEngine takes the folder's lock, waiting for the end of an engine whose parent was killed,
// and loads the library.
func openEngine(ctx context.Context, cfg Config) (*library, string, func(), error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, "", nil, fmt.Errorf("make the engine's folder: %w", err)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, "", nil, err
	}
	wait, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	unlock, err := tools.Lock(wait, filepath.Join(dir, "engine.lock"))
	if err != nil {
		return nil, "", nil, fmt.Errorf("another engine owns the folder %s: %w", cfg.Dir, err)
	}
	args, err := writeServerConfig(dir, cfg.Memory, cfg.MaxExecution)
	if err != nil {
		unlock()
		return nil, "", nil, err
	}
	lib, err := openLibrary(cfg.LibPath, args)
	if err != nil {
		unlock()
		return nil, "", nil, err
	}
	version, err := lib.version()
	if err != nil {
		unlock()
		return nil, "", nil, err
	}
	return lib, version, unlock, nil
}

// serve answers HTTP until ctx ends; it says where on out once it listens.
func serve(ctx context.Context, cfg Config, h http.Handler, out io.Writer) error {
	listener, err := net.Listen("tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("serve ClickHouse's HTTP interface (choose another --clickhouse-addr if the port is taken): %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 1 << 20}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(out, readyPrefix+listener.Addr().String()); err != nil {
		return fmt.Errorf("tell the parent the address: %w", err)
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(drain); errors.Is(err, context.DeadlineExceeded) {
		// What runs now never returns in time; inserts that were not answered are repeated by
		// their sender under the same token.
		os.Exit(0)
	}
	return nil
}

func (l *library) version() (string, error) {
	s, err := l.open()
	if err != nil {
		return "", err
	}
	defer s.close()
	res, err := s.query([]byte("SELECT version()"), "TabSeparatedRaw")
	if err != nil {
		return "", fmt.Errorf("ask the ClickHouse engine its version: %w", err)
	}
	defer res.close()
	return strings.TrimSpace(string(res.bytes())), nil
}
