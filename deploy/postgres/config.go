package pgserver

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
)

// Config says how a server runs. Dir alone must be set.
type Config struct {
	// Dir holds the server between runs: data, password and log. A new or empty one is filled.
	Dir string
	// Version is what Fetch takes; it is not looked at when BinDir is set.
	Version string
	// BinDir holds initdb and postgres. Empty: fetched into Cache.
	BinDir string
	// Cache is where fetched binaries are kept. Empty: ToolsDir.
	Cache string
	// Template is a folder that keeps an initialised server, made when it is missing; new
	// servers are copied from it, which is faster than initdb. Empty: each one runs initdb.
	Template string
	// Port on 127.0.0.1; 0 takes a free one, which the server keeps as long as the Server lives.
	Port int
	// Settings are run-time parameters over the defaults.
	Settings map[string]string
	// NoSync gives up durability for speed: for tests that do not crash the machine.
	NoSync bool
	// Progress is told of slow steps; nil is silent.
	Progress func(step string)
}

// EnsureDefaults makes Dir absolute.
func (c *Config) EnsureDefaults() error {
	if c.Dir == "" {
		return errors.New("a Postgres server needs a folder: Config.Dir is empty")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("folder of the Postgres server: %w", err)
	}
	c.Dir = dir
	return nil
}

// arguments are the command line of postgres.
func (c *Config) arguments(data string, port int) []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"wal_level":               "logical",
		"max_wal_senders":         "32",
		"max_replication_slots":   "32",
		"max_connections":         "60",
		"shared_buffers":          "32MB",
		"timezone":                "UTC",
	}
	if c.NoSync {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, c.Settings)
	args := []string{"-D", data, "-p", strconv.Itoa(port)}
	for name, value := range settings {
		args = append(args, "-c", name+"="+value)
	}
	return args
}
