//go:build !linux

package pgserver

import "syscall"

// tie does nothing: only Linux ends a process with its parent.
func tie(*syscall.SysProcAttr) {}

// reach does nothing: the folders must be open to the account.
func (a account) reach(*syscall.SysProcAttr, []string) {}
