package worker

import "time"

// A Clock tells the time of day, by which a worker sees whether the times that messages name have come: when a task is to
// run, when it expires, when it is to be tried again. How long things last is measured otherwise, and no clock that is set
// changes that. It may go backwards, and is called from many goroutines at once. A nil Clock is the host's.
type Clock func() time.Time

func (c Clock) now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

func (w *Worker) now() time.Time { return w.options.Clock.now() }
