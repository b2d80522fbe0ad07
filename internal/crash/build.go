package crash

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"tributary/internal/tools"
)

// A Builder builds the binary once for each set of build tags, into Dir.
type Builder struct {
	// Dir takes the binaries; it is the test run's own.
	Dir string
	// Package is what is built, from the project's folder; empty: ./cmd/tributary.
	Package string
	// Race turns the race detector on in the binary.
	Race bool

	mu   sync.Mutex // protects made, and keeps one build at a time
	made map[string]string
}

// Binary gives the path of the binary with those build tags.
func (b *Builder) Binary(ctx context.Context, tags ...string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	set := strings.Join(tags, ",")
	if path, ok := b.made[set]; ok {
		return path, nil
	}
	root, err := tools.Root()
	if err != nil {
		return "", err
	}
	pkg := b.Package
	if pkg == "" {
		pkg = "./cmd/tributary"
	}
	name := "node"
	if set != "" {
		name += "-" + strings.ReplaceAll(set, ",", "-")
	}
	path := filepath.Join(b.Dir, name)
	args := []string{"build", "-o", path, "-tags", set}
	if b.Race {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s with tags %q: %w\n%s", pkg, set, err, out)
	}
	if b.made == nil {
		b.made = map[string]string{}
	}
	b.made[set] = path
	return path, nil
}
