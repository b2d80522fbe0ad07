package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// runningFile holds, in the data folder of a process, where it can be reached.
const runningFile = "running.json"

// Running is what a process tells of itself in its data folder.
type Running struct {
	Mesh  string `json:"mesh"`
	PID   int    `json:"pid"`
	Addrs Addrs  `json:"addrs"` // gateway, registry and admin as URLs
}

// FindRunning tells of the process that runs over a data folder; ok is false where there is none.
// What a killed process left does not count.
func FindRunning(dir string) (r Running, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, runningFile))
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("addresses of the process that runs over %s: %w", dir, err)
	}
	// Signal 0 asks only whether there is such a process; EPERM says that it is someone else's.
	alive := syscall.Kill(r.PID, 0)
	return r, r.PID > 0 && (alive == nil || errors.Is(alive, syscall.EPERM)), nil
}

// tellAddrs writes where this process can be reached, and tells whoever started it.
func (n *node) tellAddrs() error {
	text, err := json.Marshal(Running{Mesh: n.Mesh.Name, PID: os.Getpid(), Addrs: n.addrs})
	if err != nil {
		return err
	}
	tmp := n.path(runningFile + ".tmp")
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := os.Rename(tmp, n.path(runningFile)); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	n.Started(n.addrs)
	return nil
}
