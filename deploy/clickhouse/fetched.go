package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"tributary/internal/tools"
)

// ErrNotFetched is returned by Fetched where Fetch would download the engine.
var ErrNotFetched = errors.New("the embedded ClickHouse engine is not here yet: the first start downloads it by npm (about 260 MB)")

// Fetched gives the path of the engine's library below toolsDir ("" is tools.Dir) and downloads
// nothing: where it is missing, ErrNotFetched says that Fetch can, ErrNoNPM and ErrPlatform that
// it cannot.
func Fetched(toolsDir string) (string, error) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return "", ErrPlatform
	}
	if toolsDir == "" {
		var err error
		if toolsDir, err = tools.Dir(); err != nil {
			return "", err
		}
	}
	lib := filepath.Join(toolsDir, "chdb-"+engineVersion, libraryName)
	switch _, err := os.Stat(lib); {
	case err == nil:
		return lib, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("ClickHouse engine: %w", err)
	}
	if _, err := exec.LookPath("npm"); err != nil {
		return "", ErrNoNPM
	}
	return "", ErrNotFetched
}
