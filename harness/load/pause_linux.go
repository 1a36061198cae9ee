package load

import (
	"syscall"
	"time"
)

// fine is how long before a due time the pacer stops trusting the runtime's timers, whose resolution is the
// millisecond that epoll has when a process is otherwise idle.
const fine = 1500 * time.Microsecond

// nap sleeps in the kernel, which is late by some 60 microseconds and not by a millisecond. A signal ends it early.
func nap(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&left, nil)
}
