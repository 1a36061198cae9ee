//go:build !linux

package load

import "time"

const fine = 0

func nap(d time.Duration) { time.Sleep(d) }
