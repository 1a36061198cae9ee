package main

import "syscall"

// ownGroup keeps what a terminal sends from a worker, who is stopped by its parent; the parent's death stops it too.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
