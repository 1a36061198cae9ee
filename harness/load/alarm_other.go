//go:build !linux

package load

import (
	"context"
	"time"
)

// An alarm wakes the pacer.
type alarm struct {
	timer *time.Timer
}

func newAlarm(context.Context) (*alarm, error) {
	return &alarm{timer: time.NewTimer(time.Hour)}, nil
}

// wait waits until a moment, at least a quantum if at all, and returns false when the context, which must be that
// of newAlarm, ended first.
func (a *alarm) wait(ctx context.Context, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err() == nil
	}
	a.timer.Reset(max(left, quantum))
	select {
	case <-a.timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *alarm) close() { a.timer.Stop() }
