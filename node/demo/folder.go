package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"tributary/examples/acme"
	"tributary/mesh"
	"tributary/node"
)

// What lies in the demo's folder.
const (
	markName     = ".tributary-demo" // says that the folder is ours to remove; make demo-clean asks for it
	manifestName = "mesh.yaml"
	envName      = "env"
	meshName     = "mesh"
	logName      = "tributary.log"
)

// claim makes the folder and takes it for this process; the kernel frees it when the process
// ends, however it ends. A folder that holds something else is left alone.
func claim(dir string) (free func(), err error) {
	mark := filepath.Join(dir, markName)
	if _, err := os.Stat(mark); errors.Is(err, os.ErrNotExist) {
		if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
			return nil, fmt.Errorf("%s holds something else: name an empty folder with --data", dir)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of the demo: %w", err)
	}
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("folder of the demo: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another demo runs in %s: stop it, or name another folder with --data", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", mark, err)
	}
	return func() { f.Close() }, nil
}

// header is the line of the example's manifest that the demo completes.
const header = "analytics: { clickhouse: embedded }"

// writeManifest writes the example's manifest with the addresses of this run, so that the other
// commands find the mesh by -f alone; and an env file with the databases that it refers to.
func writeManifest(dir string, a node.Addrs, analytics bool, db acme.Databases) (path string, err error) {
	line := header
	if !analytics {
		line = "analytics: { clickhouse: none }"
	}
	line += fmt.Sprintf("\naddrs: { gateway: %q, registry: %q, admin: %q, kafka: %q, clickhouse: %q }",
		a.Gateway, a.Registry, a.Admin, a.Kafka, a.ClickHouse)
	text := "# Written by the demo at each start: changes to this file are lost.\n" +
		strings.Replace(acme.Manifest(), header, line, 1)
	var env strings.Builder
	env.WriteString("# Written by the demo at each start. Use it by: . " + envName + "\n")
	for _, pair := range db.Env() {
		name, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&env, "export %s='%s'\n", name, value)
	}
	path = filepath.Join(dir, manifestName)
	return path, errors.Join(
		os.WriteFile(path, []byte(text), 0o644),
		os.WriteFile(filepath.Join(dir, envName), []byte(env.String()), 0o600)) // passwords
}

// loadManifest reads the manifest with the databases' addresses, whatever the environment says.
func loadManifest(path string, db acme.Databases) (*mesh.Mesh, error) {
	env := map[string]string{}
	for _, pair := range db.Env() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return mesh.Load([]string{path}, func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	})
}
