//go:build !linux

package interop

import "syscall"

// dieWithParent is something that only Linux can do.
func dieWithParent(*syscall.SysProcAttr) {}
