package mesh_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tributary/mesh"
)

var rewrite = flag.Bool("rewrite", false, "write golden files anew")

// golden holds got against a file, or writes it: go test ./mesh -run TestFaults -rewrite
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./mesh -rewrite writes it anew)\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}

func TestFaults(t *testing.T) {
	names, err := filepath.Glob("testdata/faults/*.yaml")
	if err != nil || len(names) < 25 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, err = mesh.Parse([]mesh.File{{Name: filepath.Base(name), Text: text}}, environment)
			var faults mesh.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("no faults, but %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is printed:\n%v", err) // I11
			}
			if !slices.IsSortedFunc(faults, func(a, b mesh.Fault) int { return a.Line - b.Line }) {
				t.Error("the faults are not sorted")
			}
			golden(t, strings.TrimSuffix(name, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}
