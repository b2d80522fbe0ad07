// Package tools keeps what Tributary fetches from package registries (Kafka's jars, Postgres,
// the ClickHouse engine) in one folder, so that it is fetched once whoever asks first.
package tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// EnvDir names the environment variable that moves the folder.
const EnvDir = "TRIBUTARY_TOOLS"

// lockPoll is how often a waiting Lock looks whether another process has finished.
const lockPoll = 50 * time.Millisecond

// Dir is the absolute path of the folder: $TRIBUTARY_TOOLS; else .tools beside the nearest go.mod
// above the working folder; else tributary/tools in the user's cache folder. It may not exist yet.
func Dir() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Abs(dir)
	}
	root, err := Root()
	if err == nil {
		return filepath.Join(root, ".tools"), nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for fetched parts: %w; set %s", err, EnvDir)
	}
	return filepath.Join(cache, "tributary", "tools"), nil
}

// Root is the project's folder: the nearest one with a go.mod at or above the working folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project's folder: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working folder; run this inside the project")
		}
		dir = parent
	}
}

// Fetch gives the folder of the named part in Dir. Where it is missing, fill is called with an
// empty folder, which then takes the part's name: the part is there whole or not at all, and
// several processes may ask at once. name carries the version: "kafka-4.3.1".
func Fetch(ctx context.Context, name string, fill func(ctx context.Context, dir string) error) (string, error) {
	root, err := Dir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, name)
	if exists(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	unlock, err := Lock(ctx, dir+".lock")
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", name, err)
	}
	defer unlock()
	if exists(dir) {
		return dir, nil
	}
	return dir, fillInto(ctx, dir, name, fill)
}

func fillInto(ctx context.Context, dir, name string, fill func(context.Context, string) error) error {
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := os.Mkdir(part, 0o755); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	if err := fill(ctx, part); err != nil {
		return fmt.Errorf("fetch %s: %w", name, errors.Join(err, os.RemoveAll(part)))
	}
	if err := os.Rename(part, dir); err != nil {
		return fmt.Errorf("fetch %s: %w", name, err)
	}
	return nil
}

func exists(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

// Lock takes the lock of the file at path, which it makes where it is missing, as soon as no other
// process holds it or ctx ends. unlock frees it; so does the system when the process ends, however
// it ends.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the process that holds %s: %w", path, ctx.Err()), file.Close())
		case <-tick.C:
		}
	}
}
