package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"tributary/internal/tools"
)

// The engine is pinned: the package's version, and the library's SHA-256, which is checked once
// after the download.
const (
	enginePackage = "@chdb/lib-linux-x64-gnu"
	engineVersion = "26.5.3"
	engineSHA256  = "4330da79405733f7572f27c1442f46c03a08301f00859dce0368645731b1e1dc"
	libraryName   = "libchdb.so"
)

// ErrNoNPM is returned by Fetch where the engine has to be downloaded and npm is missing. Install
// Node.js 20 with npm, or point the manifest's analytics.clickhouse to a running server.
var ErrNoNPM = errors.New("npm is not installed: install Node.js 20 (Debian: apt-get install nodejs npm), or set analytics.clickhouse to clickhouse://host:9000 of a running server")

// ErrPlatform is returned by Fetch on machines that the engine is not built for. Point the
// manifest's analytics.clickhouse to a running server there.
var ErrPlatform = errors.New("the embedded ClickHouse engine needs linux on amd64 with glibc: set analytics.clickhouse to clickhouse://host:9000 of a running server")

// Fetch gives the path of the engine's library below toolsDir ("" is tools.Dir), and downloads it
// first (about 260 MB, 560 MB on disk) where it is missing. Several processes may call it at
// once: one downloads, the others wait. It returns ErrNoNPM and ErrPlatform with the mend.
func Fetch(ctx context.Context, toolsDir string) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", ErrPlatform
	}
	if toolsDir == "" {
		var err error
		if toolsDir, err = tools.Dir(); err != nil {
			return "", err
		}
	}
	home := filepath.Join(toolsDir, "chdb-"+engineVersion)
	lib := filepath.Join(home, libraryName)
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	if err := os.MkdirAll(toolsDir, 0o755); err != nil {
		return "", fmt.Errorf("make the tools folder: %w", err)
	}
	unlock, err := tools.Lock(ctx, filepath.Join(toolsDir, "chdb.lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another download of the ClickHouse engine: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(lib); err == nil {
		return lib, nil
	}
	if err := download(ctx, toolsDir, home); err != nil {
		return "", fmt.Errorf("download the ClickHouse engine (%s %s): %w", enginePackage, engineVersion, err)
	}
	return lib, nil
}

// download installs the package into a folder of its own and moves only the checked library to
// home, in one rename: a download that is cut off leaves nothing that looks finished.
func download(ctx context.Context, toolsDir, home string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return ErrNoNPM
	}
	tmp, err := os.MkdirTemp(toolsDir, "chdb-download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, npm, "install", "--prefix", tmp, "--no-save", "--no-package-lock",
		"--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", enginePackage+"@"+engineVersion)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w: %s", err, strings.TrimSpace(string(out)))
	}
	lib := filepath.Join(tmp, "node_modules", filepath.FromSlash(enginePackage), libraryName)
	if err := checkSum(lib); err != nil {
		return err
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	return os.Rename(lib, filepath.Join(home, libraryName))
}

func checkSum(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != engineSHA256 {
		return fmt.Errorf("%s has SHA-256 %s, expected %s: the package is not the one that was tried; do not use it", libraryName, sum, engineSHA256)
	}
	return nil
}
