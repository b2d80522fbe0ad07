package crash_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tributary/internal/crash"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node builds the stand-in with the tags; gate is the file for which it waits to be ready.
func node(t *testing.T, gate string, tags ...string) *crash.Node {
	t.Helper()
	builder := &crash.Builder{Dir: t.TempDir(), Package: "./internal/crash/testdata/fake"}
	binary, err := builder.Binary(t.Context(), tags...)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := builder.Binary(t.Context(), tags...); again != binary || err != nil {
		t.Errorf("the second build gave %s, %v", again, err)
	}
	n, err := crash.NewNode(crash.Config{Binary: binary, Args: []string{gate, "127.0.0.1:1"}, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	return n
}

func open(t *testing.T) string {
	t.Helper()
	gate := filepath.Join(t.TempDir(), "gate")
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return gate
}

func TestNodeLivesSeveralTimes(t *testing.T) {
	n := node(t, open(t), "broken_i1")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	if err := n.KillAtRandom(t.Context(), rand.New(rand.NewPCG(seed, 0)), 5, 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	addresses, err := n.Ready(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if addresses["gateway"] != "http://127.0.0.1:1" || addresses["kind"] != "broken" {
		t.Errorf("addresses %v", addresses)
	}
	if err := n.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if err := n.Start(); err != nil {
		t.Errorf("Start after Stop: %v", err)
	}
}

func TestNodeThatDiesIsReported(t *testing.T) {
	n := node(t, "die")
	if _, err := n.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Ready of a node that died: %v, want its last words", err)
	}
	err := n.KillAtRandom(t.Context(), rand.New(rand.NewPCG(1, 0)), 1, time.Hour)
	if err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Errorf("KillAtRandom: %v, want that it ended by itself", err)
	}
}
