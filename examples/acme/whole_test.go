package acme_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tributary/deploy/postgres/pgtest"
	"tributary/examples/acme"
	"tributary/examples/acme/oracle"
	"tributary/examples/acme/seed"
	"tributary/internal/crash"
	"tributary/internal/poll"
)

var pg pgtest.Shared

func TestMain(m *testing.M) { os.Exit(pg.Main(m)) }

// products is the size of the example here: every rule has its cases, and it takes seconds.
const products = 500

// TestViewsEqualTheDatabases runs the example with the real binary: after the snapshot, and again
// after a thousand changes of the business, every view equals what SQL says.
func TestViewsEqualTheDatabases(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	srv := pg.Server(t)
	db := acme.Databases{ERP: pgtest.Database(t, srv), PIM: pgtest.Database(t, srv), WMS: pgtest.Database(t, srv)}
	if err := seed.Seed(ctx, db, products, nil); err != nil {
		t.Fatal(err)
	}
	gateway := start(ctx, t, db)
	converge(ctx, t, gateway, db)

	work := &seed.Workload{Databases: db, Rate: 400, Seed: 1}
	busy, rest := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- work.Run(busy) }()
	poll.Within(t, time.Minute, "1000 changes", func() bool { return work.Counts().Committed >= 1000 })
	rest()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if n := work.Counts().Failed; n > 0 {
		t.Errorf("%d changes of the workload failed", n)
	}
	converge(ctx, t, gateway, db)
}

// start runs the example's manifest with embedded parts, without analytics, and gives the gateway.
func start(ctx context.Context, t *testing.T, db acme.Databases) string {
	t.Helper()
	dir := t.TempDir()
	manifest := filepath.Join(dir, "mesh.yaml")
	text := strings.Replace(acme.Manifest(), "{ clickhouse: embedded }", "{ clickhouse: none }", 1)
	if err := os.WriteFile(manifest, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	builder := &crash.Builder{Dir: dir}
	binary, err := builder.Binary(ctx)
	if err != nil {
		t.Fatal(err)
	}
	node, err := crash.NewNode(crash.Config{
		Binary: binary, Env: db.Env(), Log: filepath.Join(dir, "log"),
		Args: []string{"up", "-f", manifest, "--data", filepath.Join(dir, "mesh"), "--gateway-addr", "127.0.0.1:0",
			"--registry-addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0", "--kafka-addr", "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Stop(); err != nil {
			t.Error(err)
		}
		if err := node.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	addresses, err := node.Ready(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return addresses["gateway"]
}

// converge waits until the views equal the databases, which are at rest.
func converge(ctx context.Context, t *testing.T, gateway string, db acme.Databases) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	poll.Until(ctx, t, "views that equal the databases", func() (string, bool) {
		differences, err := oracle.Compare(ctx, client, gateway, db)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(differences[:min(10, len(differences))], "\n"), len(differences) == 0
	})
}
