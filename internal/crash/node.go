package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"tributary/internal/child"
)

const (
	// drainLimit is how long a node may take for SIGTERM: the promise of the command line.
	drainLimit = 10 * time.Second
	// outputLimit is how long the output of a killed node's own children is waited for.
	outputLimit = 5 * time.Second
	tailBytes   = 6000
)

// A Config says how a node is started. The addresses in Args should be fixed ones (ports.Free),
// so that they are the same after a kill.
type Config struct {
	Binary string
	Args   []string
	Env    []string // added to this process's environment, as name=value
	Dir    string   // working folder
	Log    string   // file to which stdout and stderr of all lives are appended
}

// Addresses are what a node announced in its ready line, by name: gateway, registry, kafka,
// clickhouse.
type Addresses map[string]string

// A Node is a tributary process that lives several times. Its methods are for one goroutine at a
// time.
type Node struct {
	config  Config
	log     *os.File
	process *child.Process // nil between lives
	ready   *readyLine     // of the current life
}

// NewNode makes a node that does not run yet. Close ends it.
func NewNode(config Config) (*Node, error) {
	log, err := os.OpenFile(config.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the node's log: %w", err)
	}
	return &Node{config: config, log: log}, nil
}

// Start begins a life; it does not wait until the node is ready.
func (n *Node) Start() error {
	if n.process != nil {
		return errors.New("the node runs; kill or stop it before Start")
	}
	n.ready = &readyLine{log: n.log, seen: make(chan struct{})}
	cmd := exec.Command(n.config.Binary, n.config.Args...)
	cmd.Dir, cmd.Env = n.config.Dir, append(os.Environ(), n.config.Env...)
	cmd.Stdout, cmd.Stderr = n.ready, n.log
	cmd.WaitDelay = outputLimit
	process, err := child.Start(cmd)
	n.process = process
	return err
}

// Ready waits for the node's ready line.
func (n *Node) Ready(ctx context.Context) (Addresses, error) {
	if n.process == nil {
		return nil, errors.New("the node does not run; Start it first")
	}
	select {
	case <-n.ready.seen:
		return n.ready.addresses, nil
	case <-n.process.Exited():
		return nil, fmt.Errorf("the node ended before it was ready: %w\n%s", n.process.Err(), n.tail())
	case <-ctx.Done():
		return nil, fmt.Errorf("the node is not ready: %w\n%s", ctx.Err(), n.tail())
	}
}

// Kill ends the life by SIGKILL.
func (n *Node) Kill() {
	if n.process != nil {
		n.process.Kill()
		n.process = nil
	}
}

// Stop ends the life by SIGTERM. It fails where the node takes longer than 10 s or does not end
// with exit code 0.
func (n *Node) Stop() error {
	if n.process == nil {
		return nil
	}
	process := n.process
	n.process = nil
	ctx, cancel := context.WithTimeout(context.Background(), drainLimit)
	defer cancel()
	if err := process.Stop(ctx, syscall.SIGTERM); err != nil {
		return fmt.Errorf("%w\n%s", err, n.tail())
	}
	if err := process.Err(); err != nil {
		return fmt.Errorf("the node ended after SIGTERM with %w\n%s", err, n.tail())
	}
	return nil
}

// Pause stops the node's clock (SIGSTOP): it holds on to all that it has and does nothing.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a paused node go on.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

func (n *Node) signal(sig syscall.Signal) error {
	if n.process == nil {
		return errors.New("the node does not run; Start it first")
	}
	return n.process.Signal(sig)
}

// Exited is closed when the node has ended by itself; nil between lives.
func (n *Node) Exited() <-chan struct{} {
	if n.process == nil {
		return nil
	}
	return n.process.Exited()
}

// Pid is the process id of the current life; 0 between lives.
func (n *Node) Pid() int {
	if n.process == nil {
		return 0
	}
	return n.process.Pid()
}

// Close kills the node if it runs and closes its log.
func (n *Node) Close() error {
	n.Kill()
	return n.log.Close()
}

// KillAtRandom kills a running node so many times, each time at a random moment within the given
// time of its start, ready or not, and starts it again at once. It fails where the node ends by
// itself. The last life is left running.
func (n *Node) KillAtRandom(ctx context.Context, random *rand.Rand, times int, within time.Duration) error {
	for life := range times {
		if n.process == nil {
			return errors.New("the node does not run; Start it first")
		}
		moment := time.NewTimer(time.Duration(random.Int64N(int64(within))))
		select {
		case <-moment.C:
		case <-n.process.Exited():
			moment.Stop()
			return fmt.Errorf("the node ended by itself in life %d: %w\n%s", life+1, n.process.Err(), n.tail())
		case <-ctx.Done():
			moment.Stop()
			return ctx.Err()
		}
		n.Kill()
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// tail gives the end of the log, for an error's text.
func (n *Node) tail() string {
	text, err := os.ReadFile(n.config.Log)
	if err != nil {
		return err.Error()
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
	}
	return string(text)
}

// readyLine passes a node's stdout on to the log and looks for the line
// "ready gateway=http://… registry=… kafka=… clickhouse=…".
type readyLine struct {
	log       *os.File
	once      sync.Once
	partial   []byte        // of a line; used by the one goroutine that copies the output
	addresses Addresses     // written before seen is closed
	seen      chan struct{} // closed at the line
}

func (r *readyLine) Write(text []byte) (int, error) {
	r.partial = append(r.partial, text...)
	for {
		line, rest, whole := strings.Cut(string(r.partial), "\n")
		if !whole {
			break
		}
		r.partial = []byte(rest)
		if announced, ok := strings.CutPrefix(line, "ready "); ok {
			r.once.Do(func() {
				r.addresses = Addresses{}
				for _, field := range strings.Fields(announced) {
					name, value, _ := strings.Cut(field, "=")
					r.addresses[name] = value
				}
				close(r.seen)
			})
		}
	}
	return r.log.Write(text)
}
