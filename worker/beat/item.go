package beat

import (
	"errors"
	"time"

	"taskbench/worker/beat/schedule"
)

// An item is an entry at work.
type item struct {
	Entry
	text  string // the schedule's
	mark  Mark
	due   time.Time     // the scheduled time of the next tick; zero: there is none
	tried time.Time     // a tick whose sending failed: kept, and the next one
	tries int           // how often in a row
	since time.Duration // when that began, by the steady clock
	index int           // in the heap; below 0: not in it
}

// newItem makes the item of an entry of which there is a mark, perhaps an empty one.
func newItem(e Entry, m Mark, now time.Time) (*item, error) {
	it := &item{Entry: e, text: e.Schedule.String(), mark: m, index: -1}
	it.mark.Name = e.Name
	if m.Schedule != "" && m.Schedule != it.text {
		it.mark.Done = false
		if err := it.dropUntil(now); err != nil { // it had other ticks then
			return nil, err
		}
	}
	it.mark.Schedule = it.text
	if err := it.anchor(now); err != nil {
		return nil, err
	}
	return it, it.aim()
}

// anchor sets Last where the entry is new, or its start is still to come.
func (it *item) anchor(now time.Time) error {
	last := &it.mark.Last
	now = now.Truncate(time.Microsecond) // what messages and databases can hold
	every, fromLast := it.Schedule.(schedule.Interval)
	fromLast = fromLast && every.Align == schedule.FromLast
	first := it.Start.Add(-1)
	if fromLast {
		first = it.Start.Add(-every.Period)
	}
	if clocked, ok := it.Schedule.(schedule.Clocked); ok && last.IsZero() {
		*last = clocked.At.Add(-1) // it is due even if its time has passed already
	}
	switch {
	case !it.Start.IsZero() && last.Before(first):
		isNew := last.IsZero()
		*last = first
		if isNew {
			return it.dropUntil(now)
		}
	case last.IsZero():
		*last = now
	case fromLast && last.Sub(now) > every.Period: // the clock was put back while nobody looked
		*last = now
	}
	return nil
}

// dropUntil makes all ticks up to a time dealt with.
func (it *item) dropUntil(t time.Time) error {
	if it.mark.Last.IsZero() {
		return nil
	}
	latest, found, err := schedule.Latest(it.Schedule, it.mark.Last, t)
	if found {
		it.mark.Last = latest
	}
	return err
}

// aim sets when the item is due next.
func (it *item) aim() error {
	if it.due = it.tried; it.mark.Done || !it.due.IsZero() {
		return nil
	}
	next, err := it.Schedule.Next(it.mark.Last)
	switch {
	case errors.Is(err, schedule.ErrEnd):
		return nil
	case err != nil:
		return err
	case !it.Until.IsZero() && next.After(it.Until):
		it.mark.Done = true
		return nil
	}
	it.due = next
	return nil
}

// choose returns the tick to send now, zero where none is, and how many it has given up for that.
func (it *item) choose(now time.Time, c CatchUp, grace time.Duration) (tick time.Time, missed int, err error) {
	before := it.mark.Last
	if c.Deadline > 0 && now.Sub(it.due) > c.Deadline {
		if err = it.dropUntil(now.Add(-c.Deadline - 1)); err != nil {
			return tick, 0, err
		}
		if !it.tried.After(it.mark.Last) {
			it.tried = time.Time{}
		}
	}
	if c.Policy == schedule.All {
		err = it.bound(now, c.Limit)
	}
	if err != nil {
		return tick, 0, err
	}
	switch {
	case !it.tried.IsZero() && c.Policy != schedule.Once:
		tick = it.tried
	default:
		d, err := c.Policy.Decide(it.Schedule, it.mark.Last, now, min(grace, it.gap()), 1)
		if err != nil {
			return tick, 0, err
		}
		if len(d.Ticks) > 0 {
			tick = d.Ticks[0]
		} else if it.tried.IsZero() {
			it.mark.Last = d.Last
		} else {
			tick = it.tried // the clock was put back
		}
	}
	return tick, it.between(before, it.mark.Last), nil
}

// between counts the ticks that are later than the one and not later than the other, up to a thousand.
func (it *item) between(from, to time.Time) int {
	if !to.After(from) {
		return 0
	}
	ticks, _ := schedule.Missed(it.Schedule, from, to, 1000) // the count is for people
	return len(ticks)
}

// gap is the shortest time between two ticks that is known: only one of them can be in time.
func (it *item) gap() time.Duration {
	if every, ok := it.Schedule.(schedule.Interval); ok {
		return every.Period
	}
	return time.Minute
}

// bound drops all but the newest ticks that are due. It looks for the place by halving the time, as there may be
// millions.
func (it *item) bound(now time.Time, limit int) error {
	many := func(from time.Time) (bool, error) {
		ticks, err := schedule.Missed(it.Schedule, from, now, limit+1)
		return len(ticks) > limit, err
	}
	over, err := many(it.mark.Last)
	if err != nil || !over {
		return err
	}
	low, high := it.mark.Last, now
	for high.Sub(low) > time.Millisecond {
		half := low.Add(high.Sub(low) / 2)
		from, found, err := schedule.Latest(it.Schedule, it.mark.Last, half)
		if err != nil {
			return err
		}
		if !found {
			from = it.mark.Last
		}
		if over, err = many(from); err != nil {
			return err
		}
		if over {
			low = half
		} else {
			high = half
		}
	}
	if !it.tried.IsZero() && !it.tried.After(high) {
		it.tried = time.Time{}
	}
	return it.dropUntil(high)
}

// sent notes that a tick is dealt with, and returns how many it made up for.
func (it *item) sent(tick time.Time) (missed int) {
	missed = it.between(it.mark.Last, tick.Add(-1))
	it.mark.Last, it.mark.Claim = tick, time.Time{}
	it.mark.Runs++
	it.tried, it.tries = time.Time{}, 0
	it.mark.Done = it.OneOff
	return missed
}

// putBack moves the grid of an interval with a clock that was put back. The microsecond keeps its new ticks apart
// from those that had the same time before.
func (it *item) putBack(by time.Duration) error {
	every, ok := it.Schedule.(schedule.Interval)
	if !ok || every.Align != schedule.FromLast || by <= every.Period || !it.tried.IsZero() {
		return nil
	}
	it.mark.Last = it.mark.Last.Add(time.Microsecond - by).Truncate(time.Microsecond)
	return it.aim()
}
