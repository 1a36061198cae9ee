package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Align says where the ticks of an Interval lie.
type Align string

const (
	// FromLast ticks one period after the time that Next is given, as Celery's schedule does.
	FromLast Align = ""

	// Aligned ticks at whole multiples of the period since Monday 1 January of the year 1, 00:00 UTC: for 15m at
	// each quarter of the hour, for 168h at the start of each Monday. Any scheduler, started at any time,
	// finds the same ticks.
	Aligned Align = "aligned"

	// Relative is Celery's relative=True: FromLast, cut down to a whole day, hour or minute on the wall clock of
	// Location, whichever is the largest that fits in the period. With less than a minute it is FromLast.
	Relative Align = "relative"
)

// An Interval ticks once a period of elapsed time: 24h is not the same hour of the next day where the clock is
// changed between the two, though Celery adds its intervals on the wall clock. Only Relative's days are the
// clock's. Intervals with equal fields are equal with ==.
type Interval struct {
	Period   time.Duration // above 0
	Align    Align
	Location *time.Location // of the results, and of the wall clock for Relative; nil is UTC
}

// Every returns an interval that ticks one period after the last time. To align it, set its Align.
func Every(period time.Duration) Interval { return Interval{Period: period} }

// Validate returns an error for a period that is not above 0 and for an alignment that there is not.
func (i Interval) Validate() error {
	if i.Period <= 0 {
		return fmt.Errorf("interval %s: the period must be above 0", i)
	}
	switch i.Align {
	case FromLast, Aligned, Relative:
		return nil
	}
	return fmt.Errorf("interval %s: there is no alignment %q: write %s or %s, or leave it out", i, i.Align, Aligned, Relative)
}

// Next returns the tick after the given time, in i's location.
func (i Interval) Next(after time.Time) (time.Time, error) {
	if err := i.Validate(); err != nil {
		return time.Time{}, err
	}
	var t time.Time
	switch i.Align {
	case Aligned:
		t = after.Truncate(i.Period).Add(i.Period)
	case Relative:
		t = i.cut(after)
	default:
		t = after.Add(i.Period)
	}
	if !t.Before(end) {
		return time.Time{}, fmt.Errorf("interval %s after %s: %w", i, after.Format(time.RFC3339), ErrEnd)
	}
	return t.In(i.location()), nil // In drops the monotonic clock: ticks are compared as instants
}

// cut returns the start of the day, hour or minute that is one period after the given time.
func (i Interval) cut(after time.Time) time.Time {
	loc := i.location()
	switch {
	case i.Period >= 24*time.Hour:
		// Periods of days count on the wall clock, on which each day has 24 hours.
		here := spanAt(after.Unix(), loc)
		day := after.Add(i.Period + time.Duration(here.offset)*time.Second).Truncate(24 * time.Hour).Unix()
		return time.Unix(here.owner(day, loc).instant(day), 0)
	case i.Period >= time.Hour:
		return floor(after.Add(i.Period), time.Hour, loc)
	case i.Period >= time.Minute:
		return floor(after.Add(i.Period), time.Minute, loc)
	}
	return after.Add(i.Period)
}

// floor cuts t down to a whole unit on the wall clock of loc, by what that clock shows beyond it.
func floor(t time.Time, unit time.Duration, loc *time.Location) time.Time {
	shift := time.Duration(offset(t.In(loc))) * time.Second
	return t.Add(shift).Truncate(unit).Add(-shift)
}

// latest returns the last tick in (last, now]. Ticks of FromLast and Aligned need no walk.
func (i Interval) latest(last, now time.Time) (time.Time, bool, error) {
	if err := i.Validate(); err != nil {
		return time.Time{}, false, err
	}
	switch i.Align {
	case Aligned:
		t := now.Truncate(i.Period)
		return t.In(i.location()), t.After(last), nil
	case FromLast:
		// Sub stops at 292 years, so a longer way is gone in several strides.
		t := last
		for now.Sub(t) >= i.Period {
			t = t.Add(now.Sub(t) / i.Period * i.Period)
		}
		return t.In(i.location()), t.After(last), nil
	}
	return walk(i, last, now)
}

// String returns "every", the period, the alignment, and the location where that is not UTC.
func (i Interval) String() string {
	words := []string{"every", i.Period.String()}
	if i.Align != FromLast {
		words = append(words, string(i.Align))
	}
	if name := i.location().String(); name != time.UTC.String() {
		words = append(words, name)
	}
	return strings.Join(words, " ")
}

func (i Interval) location() *time.Location {
	if i.Location == nil {
		return time.UTC
	}
	return i.Location
}

// parseInterval reads what follows "every".
func parseInterval(words []string) (Schedule, error) {
	text := "every " + strings.Join(words, " ")
	if len(words) == 0 {
		return nil, errors.New(`read schedule "every": write how often, such as every 30s`)
	}
	period, err := time.ParseDuration(strings.ToLower(words[0]))
	if err != nil {
		return nil, fmt.Errorf("read schedule %q: the period must be like 30s, 1.5h or 24h: %w", text, err)
	}
	i := Interval{Period: period}
	words = words[1:]
	if len(words) > 0 {
		if a := Align(strings.ToLower(words[0])); a == Aligned || a == Relative {
			i.Align, words = a, words[1:]
		}
	}
	switch len(words) {
	case 0:
	case 1:
		if i.Location, err = location(words[0]); err != nil {
			return nil, fmt.Errorf("read schedule %q: after the period come %s or %s and a time zone: %w", text, Aligned, Relative, err)
		}
	default:
		return nil, fmt.Errorf("read schedule %q: what is %q for?", text, strings.Join(words[1:], " "))
	}
	if err := i.Validate(); err != nil {
		return nil, fmt.Errorf("read schedule: %w", err)
	}
	return i, nil
}
