package clickhouse

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if IsChild() {
		os.Exit(Main(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// startEngine runs an engine in a folder of its own until the test ends.
func startEngine(t *testing.T, dir string) *Process {
	t.Helper()
	lib, err := Fetch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), Config{LibPath: lib, Dir: filepath.Join(dir, "engine")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}
