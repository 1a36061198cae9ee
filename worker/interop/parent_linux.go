package interop

import "syscall"

// dieWithParent has the kernel kill the child when the thread that starts it ends, also by SIGKILL of this process.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
