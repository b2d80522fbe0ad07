package pgserver

import (
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
)

// Of capabilities(7) and prctl(2).
const (
	capDACOverride  = 1
	prGetSecurebits = 27
	prSetSecurebits = 28
	noSetuidFixup   = 1 << 2
)

// tie makes the process end with us, even when we are killed: immediate shutdown, as a server
// whose owner is gone has nobody who waits for a checkpoint.
func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

// startPrivileged starts a command that may walk through folders which only root may enter (a
// checkout below /root): with the capability to do so, and with the secure bit that lets
// access(2) honour it, which Postgres looks for its files with. The bit belongs to the thread
// that starts the command and is taken away from it again.
func startPrivileged(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	bits, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prGetSecurebits, 0, 0)
	if errno != 0 {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the thread's secure bits: %w", errno)
	}
	if _, _, errno = syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, bits|noSetuidFixup, 0); errno != 0 {
		runtime.UnlockOSThread()
		return fmt.Errorf("%s lies in a folder that user nobody may not enter: %w; move it, or set TRIBUTARY_TOOLS", cmd.Path, errno)
	}
	cmd.SysProcAttr.AmbientCaps = []uintptr{capDACOverride}
	err := cmd.Start()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetSecurebits, bits, 0); errno == 0 {
		runtime.UnlockOSThread() // else the thread ends with its goroutine
	}
	return err
}
