//go:build !linux

package tasks

import "time"

var clockBase = time.Now()

// threadTime is wall clock time where there is no clock of a thread's CPU time to be had portably.
func threadTime() time.Duration { return time.Since(clockBase) }
