package tools_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"tributary/internal/tools"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDirIsBesideGoMod(t *testing.T) {
	t.Setenv(tools.EnvDir, "")
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	dir, err := tools.Dir()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, ".tools"); dir != want {
		t.Errorf("Dir() = %s, want %s", dir, want)
	}
}

func TestDirIsNamedByTheVariable(t *testing.T) {
	t.Setenv(tools.EnvDir, "/somewhere/tools")
	if dir, err := tools.Dir(); err != nil || dir != "/somewhere/tools" {
		t.Errorf("Dir() = %s, %v, want /somewhere/tools", dir, err)
	}
}

func TestLockWaitsUntilItsContextEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "part.lock")
	unlock, err := tools.Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tools.Lock(ended, path); !errors.Is(err, context.Canceled) {
		t.Errorf("a lock that another holds: %v, want %v", err, context.Canceled)
	}
	unlock()
	again, err := tools.Lock(t.Context(), path)
	if err != nil {
		t.Fatalf("a lock that was freed: %v", err)
	}
	again()
}

func TestManyFetchOnce(t *testing.T) {
	t.Setenv(tools.EnvDir, t.TempDir())
	var fills atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			dir, err := tools.Fetch(t.Context(), "part-1", func(_ context.Context, dir string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644)
			})
			if err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := fills.Load(); n != 1 {
		t.Errorf("filled %d times, want once", n)
	}
}

func TestFailedFetchLeavesNothing(t *testing.T) {
	root := t.TempDir()
	t.Setenv(tools.EnvDir, root)
	broken := errors.New("registry is away")
	_, err := tools.Fetch(t.Context(), "part-1", func(context.Context, string) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatalf("err = %v, want it to wrap %v", err, broken)
	}
	if _, err := os.Stat(filepath.Join(root, "part-1")); !os.IsNotExist(err) {
		t.Errorf("part-1 stands after a failed fetch (%v)", err)
	}
	if _, err := tools.Fetch(t.Context(), "part-1", func(context.Context, string) error { return nil }); err != nil {
		t.Errorf("the next fetch: %v", err)
	}
}
