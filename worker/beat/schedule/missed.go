package schedule

import (
	"errors"
	"fmt"
	"time"
)

// Missed returns the ticks that are later than last and not later than now, oldest first: the first max of them
// where there are more, so that a caller can go on from the last one it got. A max below 1 gives none. With an
// error it returns the ticks before it.
func Missed(s Schedule, last, now time.Time, max int) ([]time.Time, error) {
	var ticks []time.Time
	for len(ticks) < max {
		t, ok, err := step(s, last, now)
		if err != nil || !ok {
			return ticks, err
		}
		ticks, last = append(ticks, t), t
	}
	return ticks, nil
}

// Latest returns the last tick that is later than last and not later than now, and whether there is one. For a
// Crontab, and for an Interval that is not Relative, it is quick however many ticks there are; for others it takes
// every tick in between.
func Latest(s Schedule, last, now time.Time) (time.Time, bool, error) {
	switch s := s.(type) {
	case Interval:
		return s.latest(last, now)
	case Crontab:
		return search(s, last, now)
	}
	return walk(s, last, now)
}

// step is Next within (last, now]. It does not trust the schedule to move on.
func step(s Schedule, last, now time.Time) (time.Time, bool, error) {
	t, err := s.Next(last)
	switch {
	case errors.Is(err, ErrEnd):
		return time.Time{}, false, nil
	case err != nil:
		return time.Time{}, false, err
	case !t.After(last):
		return time.Time{}, false, fmt.Errorf("schedule %s: the tick after %s is %s, which is not later", s, last, t)
	}
	return t, !t.After(now), nil
}

// walk finds the last tick by taking every one before it.
func walk(s Schedule, last, now time.Time) (latest time.Time, found bool, err error) {
	for {
		t, ok, err := step(s, last, now)
		if err != nil || !ok {
			return latest, found, err
		}
		latest, last, found = t, t, true
	}
}

// search finds the last tick by halving the time in which it can be. Its schedule must have the same ticks
// whatever time Next is given.
func search(s Schedule, last, now time.Time) (time.Time, bool, error) {
	latest, found, err := step(s, last, now)
	if err != nil || !found {
		return time.Time{}, false, err
	}
	for limit := now; ; {
		// The last tick is latest, or it is later than latest and not later than limit.
		next, ok, err := step(s, latest, limit)
		if err != nil || !ok {
			return latest, true, err
		}
		half := latest.Add(limit.Sub(latest) / 2)
		later, ok, err := step(s, half, limit)
		if err != nil {
			return latest, true, err
		}
		if ok {
			latest = later
		} else {
			latest, limit = next, half
		}
	}
}
