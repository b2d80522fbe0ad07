package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults keeps what a test says is wrong.
type faults struct {
	testing.TB
	said []string
}

func (f *faults) Errorf(format string, args ...any) {
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

func TestCompareTellsTheFirstDifference(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.golden")
	if err := os.WriteFile(path, []byte("same\nold\nend"), 0o600); err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		"same\nold\nend":       "",
		"same\nnew\nend":       "from line 2 got:\nnew\nend\nwant:\nold\nend",
		"same\nold":            "from line 3 got:\n\nwant:\nend",
		"same\nold\nend\nmore": "from line 4 got:\nmore\nwant:\n",
	} {
		f := &faults{TB: t}
		Compare(f, path, got)
		if said := strings.Join(f.said, "\n"); (said == "") != (want == "") || !strings.HasSuffix(said, want) {
			t.Errorf("%q: %q, want %q", got, said, want)
		}
	}
}
