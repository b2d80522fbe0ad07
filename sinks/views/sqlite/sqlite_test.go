package sqlite

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"tributary/sinks/views"
	"tributary/sinks/views/conformance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) views.Store { return open(t, filepath.Join(t.TempDir(), "views.db")) })
}
