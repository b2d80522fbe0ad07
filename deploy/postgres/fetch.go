package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	embedded "github.com/fergusstrange/embedded-postgres"

	"tributary/internal/ports"
	"tributary/internal/tools"
)

// DefaultVersion is the major version that an empty version means.
const DefaultVersion = "18"

// release gives the full version behind a major one ("18" → "18.3.0"); a full one is itself.
func release(version string) embedded.PostgresVersion {
	switch version {
	case "", "18":
		return embedded.V18
	case "17":
		return embedded.V17
	case "16":
		return embedded.V16
	case "15":
		return embedded.V15
	case "14":
		return embedded.V14
	case "13":
		return embedded.V13
	case "12":
		return embedded.V12
	}
	return embedded.PostgresVersion(version)
}

// ToolsDir is where fetched binaries are kept: tools.Dir.
func ToolsDir() (string, error) { return tools.Dir() }

// TemplateDir is the folder below ToolsDir for a Config's Template of a version ("" is
// DefaultVersion). It names this process's account, since a server's folder belongs to the one
// that made it.
func TemplateDir(version string) (string, error) {
	dir, err := tools.Dir()
	return filepath.Join(dir, fmt.Sprintf("postgres-template-%s-%d", cmp.Or(version, DefaultVersion), os.Geteuid())), err
}

// Fetch makes sure that the binaries of a Postgres version ("18", "17.5.0"; "" is 18) are in
// cacheDir ("" is ToolsDir) and returns their bin folder. It may be called by several goroutines
// and processes at once; one of them fetches. progress, if not nil, is told of each slow step.
func Fetch(ctx context.Context, cacheDir, version string, progress func(step string)) (binDir string, err error) {
	if cacheDir == "" {
		if cacheDir, err = ToolsDir(); err != nil {
			return "", err
		}
	}
	v := release(version)
	home := filepath.Join(cacheDir, fmt.Sprintf("postgres-%s-%s-%s", v, runtime.GOOS, runtime.GOARCH))
	binDir = filepath.Join(home, "bin")
	if complete(binDir) {
		return binDir, nil
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder of Postgres: %w; set TRIBUTARY_TOOLS to a writable folder", err)
	}
	unlock, err := tools.Lock(ctx, filepath.Join(cacheDir, ".postgres.lock"))
	if err != nil {
		return "", fmt.Errorf("wait for the cache of Postgres: %w", err)
	}
	defer unlock()
	if complete(binDir) {
		return binDir, nil
	}
	if progress != nil {
		progress(fmt.Sprintf("fetching Postgres %s (about 15 MB)", v))
	}
	if err := fetchInto(ctx, home, v); err != nil {
		return "", fmt.Errorf("fetch Postgres %s: %w; it comes from Maven Central: check the network, or "+
			"unpack a Postgres of that version to %s (bin, lib, share)", v, err, home)
	}
	return binDir, nil
}

// fetchInto unpacks the binaries beside home and renames them, so that home is whole or absent.
func fetchInto(ctx context.Context, home string, v embedded.PostgresVersion) error {
	tmp, err := os.MkdirTemp(filepath.Dir(home), ".fetch-")
	if err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { // the library knows no context: when ours ends, it finishes by itself
		defer func() { _ = os.RemoveAll(tmp) }()
		unpacked := filepath.Join(tmp, "home")
		if err := unpack(tmp, unpacked, v); err != nil {
			done <- err
			return
		}
		if ctx.Err() == nil {
			done <- os.Rename(unpacked, home)
		}
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unpack lets embedded-postgres download and extract. Its Start is the only way to that, and it
// also starts a server, which it cannot do as root: so it is given a data folder that holds
// nothing but a version, on which the start fails at once, after all is unpacked.
func unpack(tmp, home string, v embedded.PostgresVersion) error {
	hollow := filepath.Join(tmp, "hollow")
	if err := os.MkdirAll(hollow, 0o700); err != nil {
		return err
	}
	major, _, _ := strings.Cut(string(v), ".")
	if err := os.WriteFile(filepath.Join(hollow, "PG_VERSION"), []byte(major), 0o600); err != nil {
		return err
	}
	port, err := ports.Number()
	if err != nil {
		return err
	}
	err = embedded.NewDatabase(embedded.DefaultConfig().Version(v).CachePath(tmp).BinariesPath(home).
		RuntimePath(filepath.Join(tmp, "run")).DataPath(hollow).Port(uint32(port)).Logger(io.Discard)).Start()
	http.DefaultClient.CloseIdleConnections() // the library fetched with it
	if complete(filepath.Join(home, "bin")) {
		return nil
	}
	if err == nil {
		err = errors.New("the archive holds no Postgres")
	}
	return err
}

// complete says whether a bin folder has what a server needs.
func complete(binDir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(binDir, name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}
