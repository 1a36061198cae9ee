package pool

import (
	"context"
	"sync"
	"time"
)

// A caller is one call of Run in a prefork pool.
type caller struct {
	ctx  context.Context // Run's own, asked by whoever sends the job
	job  *Job
	wake chan struct{} // says that look has something new

	// Whoever sends the job sets these, and they are the caller's own afterwards.
	out     *output   // where the job is noted; nil where it is not
	err     error     // of sending the job
	at      time.Time // the job was sent
	dropped bool      // the context had ended before

	// What another caller, that was listening, has heard of the job.
	told   bool
	result Result
	began  bool // as in the note

	// Guarded by the line's mu.
	ticket     uint64 // by arrival
	list       *list
	prev, next *caller
	desk       *desk  // nil while it waits for one
	number     uint64 // 0 until the job is being sent
	sent       bool
	ended      bool      // it was dropped, and that is known
	recalled   bool      // before it was sent
	leaving    bool      // it wanted to quit before it was sent
	condemned  bool      // Kill has decided on the attempt
	since      time.Time // it became the first at its desk, or waits behind the first
}

var callers = sync.Pool{New: func() any { return &caller{wake: make(chan struct{}, 1)} }}

func newCaller(ctx context.Context, j *Job) *caller {
	c := callers.Get().(*caller)
	c.ctx, c.job = ctx, j
	return c
}

// free is called when nobody else knows of the caller any more.
func (c *caller) free() {
	c.forget()
	wake := c.wake
	select {
	case <-wake:
	default:
	}
	*c = caller{wake: wake}
	callers.Put(c)
}

// small tells whether the job's frame fits in a pipe together with others.
func (c *caller) small() bool { return len(c.job.frame) <= mostBehind }

// call has the caller look, now or when it comes to it.
func (c *caller) call() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// forget undoes the noting of a job that has not printed anything.
func (c *caller) forget() {
	if c.out != nil {
		c.out.forget(c.job)
		c.out = nil
	}
}

// close has all that an ended job has printed noted as its own.
func (c *caller) close() {
	if c.out != nil {
		c.out.end(c.job)
		c.out = nil
	}
}

// take is what has been heard of a job by another caller.
func (c *caller) take() Result {
	if c.began && c.job.Started != nil {
		c.job.Started()
	}
	return c.result
}

// A list is callers in some order; each is in one list at most.
type list struct{ first, last *caller }

// add puts a caller behind another; nil is before all.
func (l *list) add(c, after *caller) {
	c.list, c.prev = l, after
	if after == nil {
		c.next, l.first = l.first, c
	} else {
		c.next, after.next = after.next, c
	}
	if c.next == nil {
		l.last = c
	} else {
		c.next.prev = c
	}
}

// unlist takes a caller out of the list it is in, if any.
func (c *caller) unlist() {
	l := c.list
	if l == nil {
		return
	}
	if c.prev == nil {
		l.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		l.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.list, c.prev, c.next = nil, nil, nil
}
