// Package golden holds what tests print against files, which the flag -rewrite writes anew.
package golden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write golden files anew")

// Compare holds got against the file at path, below the package's folder. With -rewrite it writes
// the file, so that git shows what has changed.
func Compare(t testing.TB, path, got string) {
	t.Helper()
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is meant, run this package's tests with -rewrite and look at the difference in git\n%s", path, difference(got, string(want)))
	}
}

// difference shows the lines from the first one that differs.
func difference(got, want string) string {
	const most = 12
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	at := 0
	for at < len(g) && at < len(w) && g[at] == w[at] {
		at++
	}
	from := func(lines []string) string {
		return strings.Join(lines[at:min(at+most, len(lines))], "\n")
	}
	return fmt.Sprintf("from line %d got:\n%s\nwant:\n%s", at+1, from(g), from(w))
}
