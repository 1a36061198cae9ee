//go:build unix

package main

import (
	"fmt"
	"runtime"
	"syscall"
)

// peakMemory is the most resident memory that this process ever had, in bytes.
func peakMemory() (int64, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("ask for the peak memory: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss, nil // in bytes there, in KiB elsewhere
	}
	return u.Maxrss << 10, nil
}
