package ledger

import (
	"time"

	"golang.org/x/sys/unix"
)

var clockBase, clockOffset = calibrate()

// Now is the host's monotonic clock in nanoseconds: CLOCK_MONOTONIC, the same for all processes of a host, to
// within a microsecond. It costs one reading of Go's own clock.
func Now() int64 { return clockOffset + int64(time.Since(clockBase)) }

// calibrate finds what to add to Go's monotonic reading, which has an origin of its own, to get the kernel's. The
// tightest of several brackets bounds the error.
func calibrate() (base time.Time, offset int64) {
	tightest := time.Duration(1<<63 - 1)
	for range 32 {
		var ts unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			panic("ledger: read CLOCK_MONOTONIC: " + err.Error())
		}
		if gap := time.Since(before); gap < tightest {
			tightest, base = gap, before
			offset = ts.Nano() - int64(gap/2)
		}
	}
	return base, offset
}
