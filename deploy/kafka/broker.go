// Package kafka starts a real Apache Kafka, one KRaft node on loopback, for tests and benchmarks:
// what holds on the embedded broker must hold there too. The jars come from Maven (pom.xml).
package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"tributary/internal/child"
	"tributary/internal/ports"
)

const (
	startLimit = 90 * time.Second // a cold JVM on a busy machine
	stopLimit  = 30 * time.Second
	pingEvery  = 50 * time.Millisecond
)

// Config says where and how a broker runs. Dir is required.
type Config struct {
	// Dir is the broker's folder: properties, log.txt and data. A broker that is started in the
	// folder of another that has ended takes over its data.
	Dir string
	// Jars is the folder of Kafka's jars; empty: Fetch gets it.
	Jars string
	// Addr is the host:port for clients; empty: a free port on loopback.
	Addr string
	// HeapMiB is the JVM's heap; 0: 256.
	HeapMiB int
	// Settings are added to server.properties and win over ours.
	Settings map[string]string
}

// EnsureDefaults fills what is empty.
func (c *Config) EnsureDefaults(ctx context.Context) error {
	var err error
	if c.Jars == "" {
		if c.Jars, err = Fetch(ctx); err != nil {
			return err
		}
	}
	if c.HeapMiB == 0 {
		c.HeapMiB = 256
	}
	if c.Addr == "" {
		c.Addr, err = ports.Free()
	}
	return err
}

// Validate reports every fault of the configuration.
func (c *Config) Validate() error {
	var faults []error
	if c.Dir == "" {
		faults = append(faults, errors.New("kafka: no folder; set Config.Dir"))
	}
	if c.HeapMiB < 64 {
		faults = append(faults, fmt.Errorf("kafka: a heap of %d MiB is too small; set Config.HeapMiB to 64 or more", c.HeapMiB))
	}
	return errors.Join(faults...)
}

// A Broker is a Kafka server of our own. Its methods are for one goroutine at a time, except Addr.
type Broker struct {
	config Config
	// mu protects process: Stop may come from a test's end while Restart runs.
	mu      sync.Mutex
	process *child.Process
}

// Start starts a broker and waits until it answers. It formats an empty folder first.
func Start(ctx context.Context, config Config) (*Broker, error) {
	if err := config.EnsureDefaults(ctx); err != nil {
		return nil, err
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if err := prepare(ctx, config); err != nil {
		return nil, err
	}
	b := &Broker{config: config}
	return b, b.Restart(ctx)
}

// Addr is the host:port for clients. It stays the same over restarts.
func (b *Broker) Addr() string { return b.config.Addr }

// Pid is the process id of the JVM; 0 while the broker does not run.
func (b *Broker) Pid() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return 0
	}
	return b.process.Pid()
}

// Restart starts the broker again, on the same address and data, after Stop or Kill.
func (b *Broker) Restart(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		return errors.New("kafka: the broker runs; stop or kill it before Restart")
	}
	process, err := launch(b.config)
	if err != nil {
		return err
	}
	if err := awaitReady(ctx, b.config, process); err != nil {
		process.Kill()
		return fmt.Errorf("start kafka on %s: %w\n%s", b.config.Addr, err, logTail(b.config.Dir))
	}
	b.process = process
	return nil
}

// Stop shuts the broker down in order. One that does not run is no error.
func (b *Broker) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	// A paused process hears nothing but this and SIGKILL.
	if err := b.process.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	err := b.process.Stop(ctx, syscall.SIGTERM)
	b.process = nil
	return err
}

// Kill ends the broker by SIGKILL, as a crash would.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.process.Kill()
		b.process = nil
	}
}

// Pause stops the broker's clock (SIGSTOP): connections stay open and nothing answers.
func (b *Broker) Pause() error { return b.signal(syscall.SIGSTOP) }

// Resume lets a paused broker go on.
func (b *Broker) Resume() error { return b.signal(syscall.SIGCONT) }

func (b *Broker) signal(sig os.Signal) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return errors.New("kafka: the broker does not run; Restart it first")
	}
	return b.process.Signal(sig)
}

// launch starts the JVM with its output going to the end of log.txt.
func launch(config Config) (*child.Process, error) {
	output, err := os.OpenFile(filepath.Join(config.Dir, "log.txt"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	defer output.Close()
	heap := fmt.Sprintf("%dm", config.HeapMiB)
	args := append(jvmFlags(config.Jars), "-Xms64m", "-Xmx"+heap, "kafka.Kafka", propertiesPath(config.Dir))
	cmd := exec.Command("java", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = config.Dir, output, output
	return child.Start(cmd)
}

// jvmFlags are for a short life on few cores: little compilation, no collector threads.
func jvmFlags(jars string) []string {
	return []string{
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", filepath.Join(jars, "*"),
	}
}

// awaitReady waits until the broker answers requests for metadata.
func awaitReady(ctx context.Context, config Config, process *child.Process) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(config.Addr))
	if err != nil {
		return err
	}
	defer client.Close()
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		pingCtx, stop := context.WithTimeout(ctx, time.Second)
		err := client.Ping(pingCtx)
		stop()
		if err == nil {
			return nil
		}
		select {
		case <-process.Exited():
			return fmt.Errorf("it ended at once: %w", process.Err())
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %w (last: %w)", ctx.Err(), err)
		case <-tick.C:
		}
	}
}
