package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"tributary/internal/tools"
)

// A rig holds what the benches share.
type rig struct {
	root    string // the project
	dir     string // of this run, removed at its end
	kept    string // of seeded databases and profiles, kept between runs
	binary  string // tributary
	runs    int
	small   bool
	full    bool
	profile bool
	log     io.Writer // says what is being done
}

func newRig(ctx context.Context, log io.Writer) (*rig, error) {
	r := &rig{log: log}
	var err error
	if r.root, err = tools.Root(); err != nil {
		return nil, err
	}
	fetched, err := tools.Dir()
	if err != nil {
		return nil, err
	}
	r.kept = filepath.Join(fetched, "bench")
	if err := os.MkdirAll(r.kept, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of seeded databases: %w", err)
	}
	if r.dir, err = os.MkdirTemp("", "tributary-bench-"); err != nil {
		return nil, err
	}
	r.binary = filepath.Join(r.dir, "tributary")
	if err := r.build(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// build makes the binary as `make build` does.
func (r *rig) build(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.binary, "./cmd/tributary")
	cmd.Dir, cmd.Env = r.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build tributary: %w\n%s", err, out)
	}
	return nil
}

func (r *rig) close() error { return os.RemoveAll(r.dir) }

// say tells of progress.
func (r *rig) say(format string, args ...any) { fmt.Fprintf(r.log, format+"\n", args...) }

// size is how much a bench does: small where this run is to show only that it works.
func (r *rig) size(whole, small int) int {
	if r.small {
		return small
	}
	return whole
}

// sizeText names a size in the table.
func (r *rig) sizeText(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if r.small {
		return "SMALL: " + text
	}
	return text
}

// folder makes a new folder of this run.
func (r *rig) folder(name string) (string, error) {
	return os.MkdirTemp(r.dir, name+"-")
}

// rounds calls fn for each measured run, and once more for the profile where one is asked for;
// what that run measures does not count.
func (r *rig) rounds(b *board, fn func(b *board, profiled bool) error) error {
	for i := range r.runs {
		r.say("%s: run %d of %d", b.bench, i+1, r.runs)
		if err := fn(b, false); err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
	}
	if !r.profile {
		return nil
	}
	r.say("%s: one more run, profiled", b.bench)
	aside := &board{bench: b.bench}
	err := fn(aside, true)
	b.hot = append(b.hot, aside.hot...)
	return err
}

// grouped writes a number with its thousands apart: 137,000.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
