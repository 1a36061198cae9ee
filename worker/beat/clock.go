package beat

import (
	"log/slog"
	"time"
)

// A Clock tells the wall clock's time, and a time that only ever goes forward, from wherever.
type Clock func() (wall time.Time, steady time.Duration)

var started = time.Now()

// SystemClock is the machine's.
func SystemClock() (time.Time, time.Duration) {
	now := time.Now()
	return now.Round(0), now.Sub(started)
}

// jump is how much the two clocks may drift apart between two looks before that is a jump: less is slewing, and a
// process that did not run between the two readings.
const jump = 500 * time.Millisecond

// A watch notices that the wall clock was set.
type watch struct {
	wall   time.Time
	steady time.Duration
}

// look returns by how much the wall clock was put forward since the last look, or back where that is below 0.
func (w *watch) look(wall time.Time, steady time.Duration, log *slog.Logger) time.Duration {
	var by time.Duration
	if !w.wall.IsZero() {
		by = wall.Sub(w.wall) - (steady - w.steady)
	}
	w.wall, w.steady = wall, steady
	if by.Abs() < jump {
		return 0
	}
	if by > 0 {
		log.Warn("the wall clock was put forward: ticks in between were missed", "by", by, "now", wall)
	} else {
		log.Warn("the wall clock was put back: no tick is fired again", "by", -by, "now", wall)
	}
	return by
}
