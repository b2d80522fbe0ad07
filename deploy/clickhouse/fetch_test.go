package clickhouse

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFetchWithoutNPMNamesTheMend(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Fetch(t.Context(), t.TempDir()); !errors.Is(err, ErrNoNPM) {
		t.Errorf("without npm: %v", err)
	}
}

func TestChangedLibraryIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), libraryName)
	if err := os.WriteFile(path, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkSum(path); err == nil {
		t.Error("a library with another checksum is taken")
	}
}
