package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tributary/internal/ports"
)

// A Server is one Postgres server on 127.0.0.1. Its methods are called one after another.
type Server struct {
	cfg      Config
	who      account
	port     int
	password string
	cmd      *exec.Cmd
	ended    chan error // gets the outcome of the process once; nil when none runs
}

// Start fills cfg.Dir if it is empty, starts a server on it and waits until it answers.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.EnsureDefaults(); err != nil {
		return nil, err
	}
	who, err := serverAccount()
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, who: who, port: cfg.Port}
	if s.cfg.BinDir == "" {
		if s.cfg.BinDir, err = Fetch(ctx, cfg.Cache, cfg.Version, cfg.Progress); err != nil {
			return nil, err
		}
	}
	if err := s.initialise(ctx); err != nil {
		return nil, err
	}
	password, err := os.ReadFile(filepath.Join(cfg.Dir, passwordName))
	if err != nil {
		return nil, fmt.Errorf("read the Postgres password: %w; remove %s to begin anew", err, cfg.Dir)
	}
	s.password = strings.TrimSpace(string(password))
	return s, s.Start(ctx)
}

// Start starts the server again after Stop or Kill, on the same port and data.
func (s *Server) Start(ctx context.Context) error {
	if s.ended != nil {
		return fmt.Errorf("the Postgres server in %s runs already", s.cfg.Dir)
	}
	if s.port == 0 {
		port, err := ports.Number()
		if err != nil {
			return err
		}
		s.port = port
	}
	if err := s.launch(); err != nil {
		return err
	}
	if err := s.answers(ctx); err != nil {
		return errors.Join(err, s.Kill())
	}
	return nil
}

// launch starts the process from a thread of its own that waits for it: the kernel ends the
// process with that thread (Pdeathsig), and Go may end any other.
func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.cfg.Dir, logName), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the Postgres log: %w", err)
	}
	defer func() { _ = log.Close() }()
	data := filepath.Join(s.cfg.Dir, dataName)
	cmd := s.who.command(context.Background(), filepath.Join(s.cfg.BinDir, "postgres"), s.cfg.arguments(data, s.port)...)
	cmd.Stdout, cmd.Stderr = log, log
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.who.start(cmd, data)
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	s.cmd, s.ended = cmd, ended
	return nil
}

// answers waits until the server takes connections, has ended, or ctx ends.
func (s *Server) answers(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case end := <-s.ended:
			s.ended <- end
			return fmt.Errorf("postgres on port %d ended at its start: %v\n%s", s.port, end, s.lastLog())
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres on port %d: %w (%w)\n%s", s.port, ctx.Err(), err, s.lastLog())
		case <-tick.C:
		}
	}
}

// lastLog is the end of the server's log, for errors about its start.
func (s *Server) lastLog() string {
	log, err := os.ReadFile(filepath.Join(s.cfg.Dir, logName))
	if err != nil {
		return ""
	}
	return string(log[max(0, len(log)-2000):])
}

// Pid is the process id of the postmaster, the parent of all of the server's processes; 0 while
// the server does not run.
func (s *Server) Pid() int {
	if s.ended == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Port is the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Dir is the server's folder; its log is postgres.log in it.
func (s *Server) Dir() string { return s.cfg.Dir }

// URL is the address of a database for the superuser postgres, password included.
func (s *Server) URL(database string) string { return s.URLFor("postgres", s.password, database) }

// URLFor is the address of a database for a role.
func (s *Server) URLFor(role, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password),
		Host: "127.0.0.1:" + strconv.Itoa(s.port), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String()
}

// CreateDatabase makes an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.admin(ctx, "create database "+name, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template0")
}

// DropDatabase removes a database with its replication slots and connections. One that does not
// exist is no error.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	what := "drop database " + name
	// A slot can be dropped once its walsender has ended, so ask until none is left.
	const clear = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()`
	const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1`
	for {
		if err := s.admin(ctx, what, clear, name); err != nil {
			return err
		}
		err := s.admin(ctx, what, drop, name)
		if err == nil {
			err = s.admin(ctx, what, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize())
		}
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "55006" { // object_in_use
			return err
		}
	}
}

// admin runs one statement as superuser in the database postgres.
func (s *Server) admin(ctx context.Context, what, sql string, args ...any) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err = conn.Exec(ctx, sql, args...)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Stop shuts the server down: fast, with a checkpoint; immediately once ctx ends or clients
// (a replication client that does not read) hold it up for 5 s.
func (s *Server) Stop(ctx context.Context) error {
	if s.ended == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-s.ended:
		s.ended = nil
		return nil
	case <-ctx.Done():
		return s.Kill()
	}
}

// Kill ends the server without a checkpoint, as a crash does, and waits until all its processes
// are gone. Start recovers from its log.
func (s *Server) Kill() error {
	if s.ended == nil {
		return nil
	}
	if err := s.signal(syscall.SIGQUIT); err != nil {
		return err
	}
	<-s.ended
	s.ended = nil
	return nil
}

func (s *Server) signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal the Postgres server: %w", err)
	}
	return nil
}

func (s *Server) progress(step string) {
	if s.cfg.Progress != nil {
		s.cfg.Progress(step)
	}
}
