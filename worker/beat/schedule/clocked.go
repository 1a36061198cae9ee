package schedule

import (
	"fmt"
	"strings"
	"time"
)

// A Clocked ticks once, at the time that it holds, as the clocked schedules of django-celery-beat do.
type Clocked struct{ At time.Time }

// Next returns the tick where it is still to come, and ErrEnd from then on.
func (c Clocked) Next(after time.Time) (time.Time, error) {
	if !c.At.Before(end) || !c.At.After(after) {
		return time.Time{}, fmt.Errorf("schedule %s after %s: %w", c, after.Format(time.RFC3339), ErrEnd)
	}
	return c.At.Round(0), nil // Round drops the monotonic clock
}

// String returns "at" and the time.
func (c Clocked) String() string { return "at " + c.At.Format(time.RFC3339Nano) }

// parseClocked reads what follows "at".
func parseClocked(words []string) (Schedule, error) {
	text := strings.Join(words, " ")
	at, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		return nil, fmt.Errorf("read schedule \"at %s\": write a time such as 2030-01-02T03:04:05Z or 2030-01-02T03:04:05+01:00", text)
	}
	return Clocked{at}, nil
}
