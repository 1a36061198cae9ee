package tasks

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time of this thread, which other load on the machine does not inflate.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic("tasks: every Linux has a clock of a thread's CPU time: " + err.Error())
	}
	return time.Duration(t.Nano())
}
