// Package child runs processes that end when we do: servers beside tests and the demo. A child
// has a process group of its own, so that Ctrl-C reaches us alone and we stop it in order.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// A Process is a started child. Its methods are safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait; read only behind done
}

// Start starts the command. The child is killed by the kernel if this process dies (Linux).
func Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	dieWithParent(cmd.SysProcAttr)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	return p, nil
}

// run starts the child and waits for it on a thread of its own: the kernel ties the child's life
// to the thread that started it, and Go may end any other.
func (p *Process) run(started chan<- error) {
	runtime.LockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// Exited is closed when the child has ended and its output is read.
func (p *Process) Exited() <-chan struct{} { return p.done }

// Err is how the child ended: nil for exit code 0. It waits for the end.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the child; one that has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %v to %s: %w", sig, filepath.Base(p.cmd.Path), err)
	}
	return nil
}

// Kill ends the child and what it started by SIGKILL and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done: // its number may be another's by now
	default:
		// The group may be gone already, which is what was asked.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.done
}

// Stop sends sig and waits for the end; where ctx ends first, it kills. It returns an error only
// where it had to.
func (p *Process) Stop(ctx context.Context, sig os.Signal) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s did not end after %v and was killed: %w", filepath.Base(p.cmd.Path), sig, ctx.Err())
	}
}
