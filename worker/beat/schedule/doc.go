// Package schedule says when periodic tasks are due, with Celery's schedules as plain values: it starts nothing,
// sends nothing and never asks what time it is.
//
// A Schedule is an Interval, a Crontab or a Clocked. Next walks from tick to tick; Missed and Latest look at a stretch of
// time behind us, and a CatchUp policy turns that into the ticks to fire now:
//
//	s, err := schedule.Parse("0 2 * * mon-fri Europe/Berlin")
//	d, err := schedule.Once.Decide(s, last, now, time.Minute, 100)
//	// fire d.Ticks, store d.Last
//
// # Clock changes
//
// A crontab is matched against the wall clock of its location. Every wall-clock time that matches is one tick:
//
//   - a time that the clock shows twice is the first of the two, so that the repeated hour has no ticks;
//   - a time that the clock skips is later by as much as was skipped: 02:30 becomes 03:30, and on a day that is
//     skipped whole, it is the same time of the day after. Where a matching time is already there, the two are
//     one tick.
//
// This is what Celery 5.6 does, with two exceptions, both the loss of something. Celery fires one of several
// times that lie in the same gap (of "0,30 2 * * *", 03:00 but never 03:30) where this package keeps them all;
// and while an hour repeats, Celery believes what is over to be due, where Next is always later than what it
// was given. Without these two, ticks would depend on when a scheduler happened to start.
//
// Of Celery 5.2 the following is not followed: it knows no names of months; after a clock change it wakes an
// hour early, and fires one tick of a daily schedule an hour late ("0 0 * * *" at 01:00 on the day after the
// clock went forward in New York); and it fires some ticks of a repeated hour in its second pass.
//
// # Time zones
//
// Named locations come from the system's time zone data. The package does not embed that data; a program that
// must run where there is none, such as a container from scratch, imports time/tzdata in its main package.
//
// The package takes nothing beyond the standard library.
package schedule
