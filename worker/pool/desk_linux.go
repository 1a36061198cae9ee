package pool

import "time"

// What a caller finds when it looks.
const (
	toWait = iota
	toSend
	toFollow
)

// look tells a caller what to do.
func (l *line) look(c *caller) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.desk == nil:
		return toWait
	case !c.sent:
		return toSend
	case c.desk.first == c:
		return toFollow
	}
	return toWait
}

// sent notes that a caller has sent its job.
func (l *line) sent(c *caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.at = time.Now()
	c.sent, c.since = true, c.at
	switch d := c.desk; {
	case c.recalled:
		l.putBack(c)
	case d.first == c:
		l.offer(d)
	default:
		l.behind.add(c, l.behind.last)
		l.watch()
	}
	l.match()
}

// leave takes the first caller, or one that has not sent its job, from its desk; l.mu is held.
func (l *line) leave(c *caller) {
	d := c.desk
	c.desk = nil
	if d.second == c {
		d.second = nil
		l.offer(d)
		return
	}
	d.first = nil
	l.free(d)
}

// withdraw takes a caller away that has not sent its job; false says that Kill was quicker.
func (l *line) withdraw(c *caller) bool {
	d := c.desk
	l.mu.Lock()
	if c.condemned {
		l.mu.Unlock()
		return false
	}
	d.count--
	l.leave(c)
	l.match()
	l.mu.Unlock()
	d.child.disengage()
	return true
}

// quit takes a caller away that waits for a place, or behind another; false says that it is too late for that.
func (l *line) quit(c *caller) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := c.desk; d != nil && (!c.sent || d.first == c || !l.recall(c)) {
		return false
	}
	c.unlist()
	l.match()
	return true
}

// over gives up the desk of a caller whose job has ended, or is lost with its child, to whoever waits behind. It tells
// whether Kill has decided on the job.
func (l *line) over(c *caller) (condemned bool) {
	d := c.desk
	l.mu.Lock()
	condemned = c.condemned
	now := time.Now()
	l.pace += (min(now.Sub(c.since), slowly) - l.pace) / 8
	next := d.second
	if next != nil && d.doomed {
		l.recall(next)
		next = d.second // what the child has begun, or was not sent yet, is followed to its end
	}
	if next == nil {
		l.leave(c)
	} else {
		next.unlist()
		c.desk = nil
		d.first, d.second = next, nil
		next.since = now
		l.offer(d)
		next.call()
	}
	l.match()
	l.mu.Unlock()
	d.child.disengage() // outside: it may free what the child had, and log its last words
	return condemned
}

// clear recalls what waits at a desk.
func (l *line) clear(d *desk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.second != nil {
		l.recall(d.second)
		l.match()
	}
}

// doom is called before a desk's child is killed, or leaves: it begins nothing any more.
func (l *line) doom(d *desk) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.doomed = true
	if d.second != nil {
		l.recall(d.second)
		l.match()
	}
}

// expire decides on the job of a first caller, whose time is over, unless it has ended. If so, its child is doomed.
func (l *line) expire(c *caller) bool {
	d := c.desk
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.second != nil {
		l.recall(d.second) // before the child may come to it
		defer l.match()
	}
	if !d.note.decide(c.number) {
		return false
	}
	d.doomed = true
	return true
}

// condemn decides on a job that has not ended, and returns its child, held, to be killed; nil where there is none.
func (l *line) condemn(attempt uint64) *process {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.find(attempt)
	if c == nil {
		return nil
	}
	d := c.desk
	if d.second != nil {
		defer l.match()
		if l.recall(d.second) && (c.desk == nil || c.recalled) {
			return nil // it waits for a place, and its context is asked when there is one
		}
	}
	if !d.note.doom(c.number) {
		return nil
	}
	c.condemned, d.doomed = true, true
	d.child.hold() // as the caller does
	return d.child
}

// find returns the caller with that attempt at its desk; l.mu is held.
func (l *line) find(attempt uint64) *caller {
	for _, d := range l.desks {
		for _, c := range [...]*caller{d.first, d.second} {
			if c != nil && c.job.Attempt == attempt {
				return c
			}
		}
	}
	return nil
}

// locate returns the child that has the attempt, if that has begun or is the first there.
func (l *line) locate(attempt uint64) (pid int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.find(attempt)
	if c == nil || c.desk.first != c && !c.desk.note.begun(c.number) {
		return 0
	}
	return c.desk.child.pid()
}
