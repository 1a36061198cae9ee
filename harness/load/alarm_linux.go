package load

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm wakes the pacer. The runtime's own timers are late by up to a millisecond in a process that is
// otherwise idle, since that is the resolution in which it waits. A timer that is a file descriptor wakes the same
// wait, late by a fraction of that. At high rates, when the process is not idle, its turn comes late too: then
// the pacer sleeps in a system call, which keeps a processor of the runtime and its monitor awake, as the load
// does anyway.
type alarm struct {
	fd   int
	file *os.File
	stop func() bool
}

// brief is the longest wait that is slept in a system call: the waits of some 2,000 tasks a second and more.
const brief = 500 * time.Microsecond

func newAlarm(ctx context.Context) (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a timer for the pacer: %w", err)
	}
	a := &alarm{fd: fd, file: os.NewFile(uintptr(fd), "pacer")}
	a.stop = context.AfterFunc(ctx, func() {
		_ = a.file.SetReadDeadline(time.Unix(1, 0)) // long past: wait returns
	})
	return a, nil
}

// wait waits until a moment, at least a quantum if at all, and returns false when the context, which must be that
// of newAlarm, ended first.
func (a *alarm) wait(ctx context.Context, until time.Time) bool {
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		if left = max(left, quantum); left < brief {
			// An interrupted nap is not resumed: the loop looks at the clock.
			nap := unix.NsecToTimespec(int64(left))
			_ = unix.Nanosleep(&nap, nil)
			continue
		}
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
		if err := unix.TimerfdSettime(a.fd, 0, &spec, nil); err != nil {
			panic("load: a timer of its own that the kernel refuses to set: " + err.Error())
		}
		var fired [8]byte
		_, _ = a.file.Read(fired[:]) // fails only at the context's end, which the loop looks at
	}
	return false
}

func (a *alarm) close() {
	a.stop()
	_ = a.file.Close()
}
