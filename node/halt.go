package node

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"tributary/sinks/views"
)

// haltWithin is how long the rest of a process may take to end once its disk refuses writes: what
// waits for the embedded broker or the state by then would wait for ever.
const haltWithin = 3 * time.Second

// A halt ends a process whose disk refuses what must be written. A retry does not help then:
// someone must free space. Nothing is lost, as nothing is acknowledged that was not written (I1),
// and what is written is good to go on from, as after a kill.
type halt struct {
	faults chan error    // holds the first
	ended  chan struct{} // closed when the process has ended in whatever way
	called atomic.Bool
}

func newHalt() *halt { return &halt{faults: make(chan error, 1), ended: make(chan struct{})} }

// call ends the process with a fault of its disk.
func (h *halt) call(err error) {
	h.called.Store(true)
	select {
	case h.faults <- err:
	default:
	}
}

// ifFull ends the process when err says that its disk is full.
func (h *halt) ifFull(err error) {
	if isFull(err) {
		h.call(err)
	}
}

// on ends the process when a part says that the disk refuses its writes.
func (h *halt) on(failed <-chan error) {
	select {
	case err := <-failed:
		h.call(err)
	case <-h.ended:
	}
}

// runOrHalt runs until ctx ends or the disk refuses a write, and closes the broker.
func (n *node) runOrHalt(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(n.halt.ended)
	if n.kafka != nil {
		go n.halt.on(n.kafka.Failed())
	}
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }()
	var err error
	select {
	case err = <-done:
	case err = <-n.halt.faults:
		cancel()
		select {
		case <-done:
		case <-time.After(haltWithin):
		}
	}
	if n.kafka != nil {
		n.closeBroker()
	}
	select {
	case err = <-n.halt.faults: // it came while the rest ended, or is why it did
	default:
	}
	return diskFault(n.DataDir, err)
}

// closeBroker lets the broker write how it stands, but where the disk refuses writes.
func (n *node) closeBroker() {
	if n.halt.called.Load() {
		n.kafka.Abandon()
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		n.kafka.Close()
	}()
	select {
	case <-closed:
	case err := <-n.halt.faults: // the end would last for ever
		n.halt.call(err)
	}
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, views.ErrFull)
}

// diskFault says what to do about a full disk; other errors stay as they are.
func diskFault(dir string, err error) error {
	if !isFull(err) {
		return err
	}
	cause := ""
	if !errors.Is(err, syscall.ENOSPC) {
		cause = fmt.Sprintf(" (%v)", syscall.ENOSPC)
	}
	return fmt.Errorf("the disk of the data folder %s is full: %w%s: free some space on it, or move the folder to a larger disk and name it with --data; then start again: nothing is lost",
		dir, err, cause)
}
