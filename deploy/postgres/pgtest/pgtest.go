// Package pgtest gives tests real Postgres servers and empty databases on them. A server is
// copied from an initialised template and does not sync, so it is up in a fraction of a second.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	pgserver "tributary/deploy/postgres"
)

// startTimeout bounds a start, the first download of the binaries included.
const startTimeout = 5 * time.Minute

// versionVariable names the version of servers whose tests ask for none, for runs of a suite on
// every version.
const versionVariable = "TRIBUTARY_TEST_POSTGRES"

// Start starts a server for one test and removes it at the test's end. Options change its
// configuration, for example the version.
func Start(t testing.TB, options ...func(*pgserver.Config)) *pgserver.Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := start(dir, options...)
	t.Cleanup(func() {
		if srv != nil {
			if err := srv.Kill(); err != nil {
				t.Error(err)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

func start(dir string, options ...func(*pgserver.Config)) (*pgserver.Server, error) {
	cfg := pgserver.Config{Dir: dir, NoSync: true, Version: os.Getenv(versionVariable)}
	for _, o := range options {
		o(&cfg)
	}
	var err error
	if cfg.Template, err = pgserver.TemplateDir(cfg.Version); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return pgserver.Start(ctx, cfg)
}

// Database makes an empty database for one test, dropped at its end, and gives its URL.
func Database(t testing.TB, srv *pgserver.Server) string {
	t.Helper()
	name := databaseName(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := srv.CreateDatabase(ctx, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := srv.DropDatabase(ctx, name); err != nil {
			t.Error(err)
		}
	})
	return srv.URL(name)
}

// databaseName is readable in the server's log and unique in time.
func databaseName(t testing.TB) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(url.PathEscape(t.Name())))
	return fmt.Sprintf("%.30s_%d", clean, time.Now().UnixNano())
}

// Shared is one server for all tests of a package, started by the first that asks. Use it as
//
//	var pg pgtest.Shared
//
//	func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }
type Shared struct {
	mu  sync.Mutex // protects the fields below
	dir string
	srv *pgserver.Server
	err error
}

// Main runs the tests (m is a *testing.M, or what runs one), removes the server, and fails when goroutines are left. It gives the
// exit code.
func (s *Shared) Main(m interface{ Run() int }, options ...goleak.Option) int {
	code := m.Run()
	if err := s.stop(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "stop the shared Postgres server:", err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	return code
}

// Server gives the shared server. Databases on it are the tests' own; it must not be stopped.
func (s *Shared) Server(t testing.TB) *pgserver.Server {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		if s.dir, s.err = os.MkdirTemp("", "pgtest-"); s.err == nil {
			s.srv, s.err = start(s.dir)
		}
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.srv
}

func (s *Shared) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.srv != nil {
		if err := s.srv.Kill(); err != nil {
			return err
		}
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
