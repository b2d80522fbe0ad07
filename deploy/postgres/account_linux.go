package pgserver

import (
	"slices"
	"syscall"
)

// capDACOverride is CAP_DAC_OVERRIDE of capabilities(7).
const capDACOverride = 1

// tie makes the process end with us, even when we are killed: immediate shutdown, as a server
// whose owner is gone has nobody who waits for a checkpoint.
func tie(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }

// reach lets the account walk through folders that only root may enter (a checkout below /root),
// where there are such on the way to the paths.
func (a account) reach(attr *syscall.SysProcAttr, paths []string) {
	if slices.ContainsFunc(paths, func(p string) bool { return !reachable(p) }) {
		attr.AmbientCaps = []uintptr{capDACOverride}
	}
}
