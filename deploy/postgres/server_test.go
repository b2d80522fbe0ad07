package pgserver_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	pgserver "tributary/deploy/postgres"
	"tributary/deploy/postgres/pgtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PGSERVER_TEST_ORPHAN"); dir != "" {
		orphan(dir)
	}
	var none pgtest.Shared
	os.Exit(none.Main(m))
}

// orphan is the other process of TestServerEndsWithItsOwner: it starts a server and is killed.
func orphan(dir string) {
	srv, err := pgserver.Start(context.Background(), pgserver.Config{Dir: dir, NoSync: true})
	if err != nil {
		panic(err)
	}
	if _, err := os.Stdout.WriteString(srv.URL("postgres") + "\n"); err != nil {
		panic(err)
	}
	select {}
}

func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Ctrl-C in a terminal goes to a process group: the server must not end before its clients.
func TestServerHasAProcessGroupOfItsOwn(t *testing.T) {
	srv := pgtest.Start(t)
	text, err := os.ReadFile(filepath.Join(srv.Dir(), "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the server is in group %d, we are in %d: %v", group, syscall.Getpgrp(), err)
	}
}

func TestServerIsReadyForReplicationOnLoopbackOnly(t *testing.T) {
	srv := pgtest.Start(t)
	url := pgtest.Database(t, srv)
	for sql, want := range map[string]string{
		"SHOW wal_level":               "logical",
		"SHOW listen_addresses":        "127.0.0.1",
		"SHOW unix_socket_directories": "",
		"SHOW server_encoding":         "UTF8",
		"SHOW fsync":                   "off",
		"SELECT datcollate FROM pg_database WHERE datname = current_database()": "C",
	} {
		if got := query(t, url, sql); got != want {
			t.Errorf("%s = %q, want %q", sql, got, want)
		}
	}
	if _, err := pgx.Connect(t.Context(), srv.URLFor("postgres", "wrong", "postgres")); err == nil {
		t.Error("a wrong password was accepted")
	}
}

func TestDataOutlivesKillAndStop(t *testing.T) {
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.NoSync = false })
	if got := query(t, srv.URL("postgres"), "SHOW fsync"); got != "on" {
		t.Errorf("fsync = %s, want on by default", got)
	}
	port := srv.Port()
	if err := srv.CreateDatabase(t.Context(), "kept"); err != nil {
		t.Fatal(err)
	}
	for _, end := range []func() error{srv.Kill, func() error { return srv.Stop(t.Context()) }} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := query(t, srv.URL("postgres"), "SELECT datname FROM pg_database WHERE datname = 'kept'"); got != "kept" || srv.Port() != port {
			t.Errorf("after the restart: database %q on port %d, want kept on %d", got, srv.Port(), port)
		}
	}
}

func TestServerEndsWithItsOwner(t *testing.T) {
	dir, err := os.MkdirTemp("", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGSERVER_TEST_ORPHAN="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(line[:n]))
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil && strings.Contains(err.Error(), "connection refused") {
			return
		}
		if err == nil {
			_ = conn.Close(t.Context())
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server still answers after its owner was killed: %v", err)
		}
	}
}

func TestFetchSaysWhatToDo(t *testing.T) {
	_, err := pgserver.Fetch(t.Context(), t.TempDir(), "0.0.0", nil)
	if err == nil || !strings.Contains(err.Error(), "unpack a Postgres of that version") {
		t.Errorf("error of a version that is not there: %v", err)
	}
}

// TestFolderOfOneUser keeps a server in a folder that only we may enter: as root, the server's
// account could not.
func TestFolderOfOneUser(t *testing.T) {
	closed, err := os.MkdirTemp("", "pgtest-closed-") // mode 0700
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(closed) })
	srv := pgtest.Start(t, func(c *pgserver.Config) { c.Dir = closed + "/server" })
	if got := query(t, srv.URL("postgres"), "SELECT 'up'"); got != "up" {
		t.Error(got)
	}
}
