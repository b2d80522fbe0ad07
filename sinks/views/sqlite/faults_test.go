package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite/sqlitex"

	"tributary/mesh"
	"tributary/sinks/views"
)

// TestFull fills the file to its limit: Apply says so and leaves what was there.
func TestFull(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.db")
	s, e := open(t, path), crashEntity()
	defer s.Close()
	if err := s.Define(t.Context(), []*mesh.Entity{e}); err != nil {
		t.Fatal(err)
	}
	limit := func(pages string) {
		w := <-s.writer
		defer func() { s.writer <- w }()
		if err := sqlitex.ExecuteTransient(w.Conn, "PRAGMA max_page_count="+pages, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Apply(t.Context(), crashBatch(e, 1)); err != nil {
		t.Fatal(err)
	}
	limit("20")
	big := crashBatch(e, 2)
	for i := range big.Rows {
		big.Rows[i].Meta = make([]byte, 4000)
	}
	err := s.Apply(t.Context(), big)
	if !errors.Is(err, views.ErrFull) || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v, want ErrFull that names the file", err)
	}
	checkCrashed(t, s, 1)
	limit("100000")
	if err := s.Apply(t.Context(), big); err != nil {
		t.Fatalf("with space again: %v", err)
	}
	checkCrashed(t, s, 2)
}

// TestDamaged opens files that are no database, are of another format, or have torn pages.
func TestDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "views.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: path}); !errors.Is(err, views.ErrDamaged) || !strings.Contains(err.Error(), "delete") {
		t.Errorf("a text file: got %v, want ErrDamaged and what to do", err)
	}

	path = filepath.Join(t.TempDir(), "views.db")
	s, e := open(t, path), crashEntity()
	if err := errors.Join(s.Define(t.Context(), []*mesh.Entity{e}), s.Apply(t.Context(), crashBatch(e, 2)), s.Close()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	torn := append([]byte(nil), file...)
	for i := 4096 * 8; i < len(torn); i++ {
		torn[i] = 0xa5
	}
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	defer s.Close()
	err = s.Define(t.Context(), []*mesh.Entity{e})
	if err == nil {
		err = s.Apply(t.Context(), crashBatch(e, 3))
	}
	if !errors.Is(err, views.ErrDamaged) {
		t.Errorf("torn pages: got %v, want ErrDamaged", err)
	}

	other := filepath.Join(t.TempDir(), "views.db")
	file[63] = 99 // the header's user_version
	if err := os.WriteFile(other, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Path: other}); !errors.Is(err, views.ErrDamaged) {
		t.Errorf("another format: got %v, want ErrDamaged", err)
	}
	if _, err := Open(Options{Path: filepath.Join(t.TempDir(), "missing", "views.db")}); err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder that is not there: got %v", err)
	}
	if _, err := Open(Options{Readers: -1}); err == nil || !strings.Contains(err.Error(), "Path") || !strings.Contains(err.Error(), "Readers") {
		t.Errorf("bad options: got %v, want every fault", err)
	}
}
