package mesh_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tributary/internal/golden"
	"tributary/mesh"
)

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
			golden.Compare(t, strings.TrimSuffix(name, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}
