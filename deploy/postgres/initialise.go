package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tributary/internal/tools"
)

// Inside a server's folder.
const (
	dataName     = "data"
	passwordName = "password"
	logName      = "postgres.log"
)

// initialise fills a server's folder when it holds no server yet.
func (s *Server) initialise(ctx context.Context) error {
	_, err := os.Stat(filepath.Join(s.cfg.Dir, dataName, "PG_VERSION"))
	if err == nil {
		return s.who.own(s.cfg.Dir)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look at the Postgres folder: %w", err)
	}
	if s.cfg.Template == "" {
		return s.initdb(ctx, s.cfg.Dir)
	}
	if err := s.ensureTemplate(ctx); err != nil {
		return err
	}
	if err := os.CopyFS(s.cfg.Dir, os.DirFS(s.cfg.Template)); err != nil {
		return fmt.Errorf("copy the Postgres template %s: %w", s.cfg.Template, err)
	}
	if err := closeTo(s.cfg.Dir); err != nil {
		return err
	}
	return s.who.own(s.cfg.Dir)
}

// ensureTemplate makes the template folder whole or leaves it absent.
func (s *Server) ensureTemplate(ctx context.Context) error {
	template, err := filepath.Abs(s.cfg.Template)
	if err != nil {
		return fmt.Errorf("folder of the Postgres template: %w", err)
	}
	s.cfg.Template = template
	if err := os.MkdirAll(filepath.Dir(template), 0o755); err != nil {
		return fmt.Errorf("make the folder of the Postgres template: %w", err)
	}
	unlock, err := tools.Lock(ctx, template+".lock")
	if err != nil {
		return fmt.Errorf("wait for the Postgres template: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(template, passwordName)); err == nil {
		return nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(template), ".template-")
	if err != nil {
		return fmt.Errorf("make the Postgres template: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	if err := s.initdb(ctx, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, template)
}

// initdb makes a new server in dir, with a random password for its superuser postgres.
func (s *Server) initdb(ctx context.Context, dir string) error {
	s.progress("initialising a Postgres server")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the Postgres folder: %w", err)
	}
	password := filepath.Join(dir, passwordName)
	if err := os.WriteFile(password, []byte(rand.Text()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the Postgres password: %w", err)
	}
	if err := s.who.own(dir); err != nil {
		return fmt.Errorf("hand the Postgres folder to its account: %w", err)
	}
	args := []string{"-D", filepath.Join(dir, dataName), "-U", "postgres", "--pwfile", password,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"}
	if s.cfg.NoSync {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := s.who.command(ctx, filepath.Join(s.cfg.BinDir, "initdb"), args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := s.who.start(cmd, dir)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		_ = os.RemoveAll(filepath.Join(dir, dataName))
		return fmt.Errorf("initdb in %s: %w\n%s", dir, err, out.Bytes())
	}
	return nil
}

// closeTo takes all rights from group and others, as Postgres asks for its data folder.
func closeTo(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}
