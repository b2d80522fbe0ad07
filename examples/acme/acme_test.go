package acme_test

import (
	"testing"

	"tributary/examples/acme"
	"tributary/mesh"
)

func TestManifestIsValid(t *testing.T) {
	m, err := mesh.Parse([]mesh.File{{Name: "mesh.yaml", Text: []byte(acme.Manifest())}}, func(string) (string, bool) {
		return "postgres://acme@127.0.0.1:5432/acme", true
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Systems) != 3 || len(m.Entities) != 6 {
		t.Errorf("%d systems and %d entities, want 3 and 6", len(m.Systems), len(m.Entities))
	}
}
