//go:build !linux

package process

import "syscall"

// dieWithParent is something that only Linux can do; elsewhere the sweep finds the child.
func dieWithParent(*syscall.SysProcAttr) {}
