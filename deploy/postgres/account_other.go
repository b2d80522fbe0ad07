//go:build !linux

package pgserver

import (
	"fmt"
	"os/exec"
	"syscall"
)

// tie does nothing: only Linux ends a process with its parent.
func tie(*syscall.SysProcAttr) {}

// startPrivileged cannot help here.
func startPrivileged(cmd *exec.Cmd) error {
	return fmt.Errorf("%s lies in a folder that user nobody may not enter; move it, or set TRIBUTARY_TOOLS", cmd.Path)
}
