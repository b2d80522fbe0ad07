package clickhouse

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
)

// Config says how the embedded engine runs.
type Config struct {
	// LibPath is the engine's library, as Fetch gives it.
	LibPath string
	// Dir holds the engine's tables; it is made where it is missing. One engine at a time owns it.
	Dir string
	// Addr is the loopback address that HTTP is served on, 127.0.0.1:0 by default. Supervise keeps
	// the port that :0 was given over restarts.
	Addr string
	// Memory bounds what the engine allocates, in bytes, 1 GiB by default; one query gets three
	// quarters of it.
	Memory int64
	// Concurrency is how many statements run at once, 4 by default; others wait.
	Concurrency int
	// MaxExecution ends a statement that runs longer, 60 s by default.
	MaxExecution time.Duration
	// StartTimeout is how long the engine may take until it answers, 60 s by default: a folder
	// that another engine still owns, or that has many parts, takes its time.
	StartTimeout time.Duration
	// Log gets the child's lines.
	Log zerolog.Logger
}

// EnsureDefaults fills what was left out.
func (c *Config) EnsureDefaults() {
	if c.Addr == "" {
		c.Addr = "127.0.0.1:0"
	}
	if c.Memory == 0 {
		c.Memory = 1 << 30
	}
	if c.Concurrency == 0 {
		c.Concurrency = 4
	}
	if c.MaxExecution == 0 {
		c.MaxExecution = time.Minute
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = time.Minute
	}
}

// Validate names every fault.
func (c *Config) Validate() error {
	var faults []error
	if c.LibPath == "" {
		faults = append(faults, errors.New("LibPath is empty: call Fetch first"))
	}
	if c.Dir == "" {
		faults = append(faults, errors.New("Dir is empty: name the folder for the engine's tables"))
	}
	if host, _, err := net.SplitHostPort(c.Addr); err != nil {
		faults = append(faults, fmt.Errorf("address %q is not host:port: %w", c.Addr, err))
	} else if !isLoopback(host) {
		faults = append(faults, fmt.Errorf("address %q is not a loopback address: the embedded engine has no passwords; run a ClickHouse server for other machines", c.Addr))
	}
	if c.Memory < 256<<20 {
		faults = append(faults, fmt.Errorf("memory of %d bytes is too little: the engine needs 256 MiB", c.Memory))
	}
	if c.Concurrency < 1 || c.Concurrency > 64 {
		faults = append(faults, fmt.Errorf("concurrency %d is not within 1 to 64", c.Concurrency))
	}
	if c.MaxExecution < time.Second || c.StartTimeout < time.Second {
		faults = append(faults, errors.New("MaxExecution and StartTimeout are at least one second"))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("embedded ClickHouse: %w", err)
	}
	return nil
}
