package clickhouse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// ErrNotReady is returned by Start when the engine ended or did not answer in time; the text
// holds its last line.
var ErrNotReady = errors.New("the embedded ClickHouse engine did not start")

// stopTime is how long Stop waits for the child before it kills it.
const stopTime = drainTime + 3*time.Second

// A Process is a running engine.
type Process struct {
	cmd   *exec.Cmd
	addr  string
	stdin io.Closer
	tail  *tailLog

	done chan struct{} // closed when the child has ended
	err  error         // how it ended, valid after done
}

// Start runs the engine in a child process and returns when it answers. The child is this same
// program, so it must mount Main (see Subcommand and IsChild). Ending ctx stops the child.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	cfg.EnsureDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program to run the ClickHouse engine with: %w", err)
	}
	p := &Process{done: make(chan struct{}), tail: &tailLog{log: cfg.Log}}
	p.cmd = exec.Command(self, Subcommand, "--lib", cfg.LibPath, "--dir", cfg.Dir, "--addr", cfg.Addr,
		"--memory", strconv.FormatInt(cfg.Memory, 10), "--concurrency", strconv.Itoa(cfg.Concurrency),
		"--max-execution", cfg.MaxExecution.String(), "--start-timeout", cfg.StartTimeout.String())
	p.cmd.Env = append(os.Environ(), childVariable+"=1")
	// A group of its own: Ctrl-C in a terminal reaches the parent, which stops the child after the
	// sinks have drained. The child ends with its input, even if the parent was killed; Pdeathsig
	// would fire when the thread that started it ends.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.tail
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReady, err)
	}
	return p, p.await(ctx, stdout, cfg.StartTimeout)
}

// await reads the child's one line and starts what watches it from then on.
func (p *Process) await(ctx context.Context, stdout io.Reader, timeout time.Duration) error {
	ready := make(chan string, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if addr, ok := strings.CutPrefix(lines.Text(), readyPrefix); ok && p.addr == "" {
				p.addr = addr
				ready <- addr
			}
		}
		p.err = p.cmd.Wait()
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-ready:
		go p.stopWith(ctx)
		return nil
	case <-p.done:
		return fmt.Errorf("%w: %v: %s", ErrNotReady, p.err, p.tail.last())
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%w within %s: %s", ErrNotReady, timeout, p.tail.last())
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%w: %w", ErrNotReady, ctx.Err())
	}
}

func (p *Process) stopWith(ctx context.Context) {
	select {
	case <-ctx.Done():
		p.Stop()
	case <-p.done:
	}
}

// Addr is the host:port that answers HTTP.
func (p *Process) Addr() string { return p.addr }

// URL is the address for curl, http://host:port.
func (p *Process) URL() string { return "http://" + p.addr }

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Wait returns when the child has ended: nil if it was asked to.
func (p *Process) Wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("the embedded ClickHouse engine ended: %w: %s", p.err, p.tail.last())
	}
	return nil
}

// Kill ends the child at once, as a crash would, and waits for it.
func (p *Process) Kill() error {
	err := p.cmd.Process.Kill()
	<-p.done
	return err
}

// Stop lets running statements end for up to five seconds, ends the child, and waits for it.
func (p *Process) Stop() {
	p.stdin.Close()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.Kill()
	}
}

// tailLog logs the child's lines and keeps the last one for error texts.
type tailLog struct {
	log zerolog.Logger

	mu   sync.Mutex // protects what follows: exec writes, others read
	rest []byte
	line string
}

// maxLine bounds a line of the child, in bytes.
const maxLine = 4096

func (t *tailLog) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, p...)
	for {
		line, rest, ok := strings.Cut(string(t.rest), "\n")
		if !ok && len(t.rest) < maxLine {
			return len(p), nil
		}
		t.rest = []byte(rest)
		if line = strings.TrimSpace(line); line != "" {
			t.line = line[:min(len(line), maxLine)]
			t.log.Warn().Str("part", "clickhouse").Msg(t.line)
		}
	}
}

func (t *tailLog) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.line == "" {
		return strings.TrimSpace(string(t.rest))
	}
	return t.line
}
