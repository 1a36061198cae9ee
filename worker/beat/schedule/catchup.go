package schedule

import (
	"fmt"
	"time"
)

// A CatchUp says what becomes of the ticks that nobody fired in time: the scheduler was down, or busy, or the
// clock was put forward. The zero value is no policy.
type CatchUp string

const (
	// Skip leaves them out.
	Skip CatchUp = "skip"

	// Once fires the latest of them, and only where no tick is due in time. This is what Celery does.
	Once CatchUp = "once"

	// All fires each of them.
	All CatchUp = "all"
)

// ParseCatchUp reads the name of a policy.
func ParseCatchUp(text string) (CatchUp, error) {
	switch c := CatchUp(text); c {
	case Skip, Once, All:
		return c, nil
	}
	return "", fmt.Errorf("read catch-up policy %q: it must be %s, %s or %s", text, Skip, Once, All)
}

// UnmarshalText reads what ParseCatchUp reads.
func (c *CatchUp) UnmarshalText(text []byte) error {
	parsed, err := ParseCatchUp(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// A Decision is what a scheduler has to do now.
type Decision struct {
	Ticks []time.Time // to be fired now, oldest first
	Last  time.Time   // all ticks up to here are dealt with once Ticks are fired: the last of the next Decide
	More  bool        // there are more ticks due than the limit: decide again at once, with Last
}

// Decide returns the ticks of s to fire at now, where all ticks up to last have been dealt with: those that are
// late by at most grace, and of the older ones those that the policy wants; but never more than limit at a time.
// The oldest come first.
//
// Grace must be longer than the scheduler takes to wake up and get around to a tick: with Skip, what is later is
// lost. A zero last means an entry that is new: none of its ticks is due, and its time starts now. Where now is
// before last, since the clock was put back, nothing is due and Last stays, so that no tick is fired twice.
func (c CatchUp) Decide(s Schedule, last, now time.Time, grace time.Duration, limit int) (Decision, error) {
	if _, err := ParseCatchUp(string(c)); err != nil {
		return Decision{Last: last}, err
	}
	if limit < 1 || grace < 0 {
		return Decision{Last: last}, fmt.Errorf("decide ticks of %s: limit %d must be above 0 and grace %s not below", s, limit, grace)
	}
	if last.IsZero() {
		return Decision{Last: now}, nil
	}
	from, late := last, false
	if c != All {
		t, found, err := Latest(s, last, now.Add(-grace-1))
		if err != nil {
			return Decision{Last: last}, err
		}
		if found {
			from, late = t, true
		}
	}
	ticks, err := Missed(s, from, now, limit+1)
	if err != nil {
		return Decision{Last: last}, err
	}
	d := Decision{Ticks: ticks, Last: from}
	if len(ticks) > limit {
		d.Ticks, d.More = ticks[:limit], true
	}
	if len(d.Ticks) > 0 {
		d.Last = d.Ticks[len(d.Ticks)-1]
	} else if c == Once && late {
		d.Ticks = []time.Time{from}
	}
	return d, nil
}
