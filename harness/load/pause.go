package load

import (
	"context"
	"time"
)

// quantum is the least that the pacer waits: tasks due closer together than this are handed over together.
// It bounds both the schedule error that batching adds and the number of wake-ups a second.
const quantum = 100 * time.Microsecond

// pause waits until a moment, at least a quantum, and returns false when ctx ended first. It never spins: at
// low rates the generator must leave the processor to what it measures.
func pause(ctx context.Context, timer *time.Timer, until time.Time) bool {
	if coarse := time.Until(until) - fine; coarse > 0 {
		timer.Reset(coarse)
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
		}
	}
	// Signals, such as the runtime's own for preemption, cut naps short.
	for ctx.Err() == nil {
		left := time.Until(until)
		if left <= 0 {
			return true
		}
		nap(max(left, quantum))
	}
	return false
}
