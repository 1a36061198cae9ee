package pool

import "time"

// What a caller finds when it looks.
const (
	toWait = iota
	toSend
	toFollow
	toTake  // what has been heard of its job
	toLeave // its context has ended
)

// look tells a caller what to do.
func (l *line) look(c *caller) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.ended:
		return toLeave
	case c.told:
		return toTake
	case c.desk == nil:
		return toWait
	case c.number == 0 && !c.desk.sending: // whoever sends there sees to the rest
		return toSend
	case c.sent && c.desk.first() == c:
		return toFollow
	}
	return toWait
}

// push has a caller send its own job, and what came to its desk before. All others that are due go first: a large job is
// sent for as long as its child takes to read it.
func (l *line) push(c *caller) {
	l.mu.Lock()
	defer l.unlock()
	l.pay()
	if d := c.desk; d != nil && c.number == 0 && !d.sending {
		l.send(d, c)
	}
}

// quit takes a caller away that waits for a place, or behind another; false says that it is too late for that, or that
// its job is being sent: it is told to look, and may ask again, when that is done.
func (l *line) quit(c *caller) bool {
	l.mu.Lock()
	defer l.unlock()
	if c.ended || c.told {
		return false
	}
	if d := c.desk; d != nil {
		if c.number == 0 {
			l.part(c)
			l.owe(d) // it may have been left to this caller
			l.match()
			return true
		}
		if !c.sent {
			c.leaving = true
			return false
		}
		if d.first() == c || !l.recall(c) {
			return false
		}
	}
	c.unlist()
	l.match()
	return true
}

// after returns who comes next at a caller's desk, as far as their jobs have been sent: n callers at most.
func (l *line) after(c *caller, n int) (next []*caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range c.desk.jobs[1:] {
		if len(next) == n || !b.sent { // whoever sends a job knows of its caller
			break
		}
		next = append(next, b)
	}
	return next
}

// over gives up the places of callers whose jobs have ended, or are lost with their child, to whoever waits behind: a
// first one, and those next to it who were not the first themselves. The latter get to know what has been heard. It tells
// whether Kill has decided on the job of the first.
func (l *line) over(ended ...*caller) (condemned bool) {
	c := ended[0]
	d := c.desk
	l.mu.Lock()
	defer l.unlock()
	condemned = c.condemned
	took := time.Since(c.since) / time.Duration(len(ended))
	for _, b := range ended {
		l.pace += (min(took, slowly) - l.pace) / 8
		b.unlist()
	}
	for _, b := range ended[1:] {
		b.began = d.note.turn(b.number).started.Load() != 0
		if b.told = true; b.condemned {
			b.result = terminated(d.child.pid())
		}
		b.call()
	}
	if d.doomed {
		l.recallAll(d) // what the child has begun is followed to its end
	}
	for _, b := range ended {
		l.part(b)
	}
	l.match()
	return condemned
}

// recallAll recalls what waits at a desk; l.mu is held.
func (l *line) recallAll(d *desk) {
	for i := len(d.jobs) - 1; i > 0; i-- {
		if c := d.jobs[i]; !c.told && !c.recalled {
			l.recall(c)
		}
	}
}

// clear recalls what waits at a desk.
func (l *line) clear(d *desk) {
	l.mu.Lock()
	defer l.unlock()
	l.recallAll(d)
	l.match()
}

// doom is called before a desk's child is killed, or leaves: it begins nothing any more.
func (l *line) doom(d *desk) {
	l.mu.Lock()
	defer l.unlock()
	d.doomed = true
	l.recallAll(d)
	l.match()
}

// expire decides on the job of a first caller, whose time is over, unless it has ended. If so, its child is doomed.
func (l *line) expire(c *caller) bool {
	d := c.desk
	l.mu.Lock()
	defer l.unlock()
	l.recallAll(d) // before the child may come to it
	defer l.match()
	if !d.note.decide(c.number) {
		return false
	}
	d.doomed = true
	return true
}

// condemn decides on a job that has not ended, and returns its child, held, to be killed; nil where there is none. A job
// that has not been sent waits for a place, and its context is asked when there is one.
func (l *line) condemn(attempt uint64) *process {
	l.mu.Lock()
	defer l.unlock()
	c := l.find(attempt)
	if c == nil || c.number == 0 {
		return nil
	}
	d := c.desk
	defer l.match()
	l.recallAll(d)
	if c.desk == nil || c.recalled || !d.note.doom(c.number) {
		return nil
	}
	c.condemned, d.doomed = true, true
	d.child.hold() // as the caller does
	return d.child
}

// find returns the caller with that attempt at its desk; l.mu is held.
func (l *line) find(attempt uint64) *caller {
	for _, d := range l.desks {
		for _, c := range d.jobs {
			if c.job.Attempt == attempt {
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
	if c == nil || c.number == 0 || c.desk.first() != c && !c.desk.note.begun(c.number) {
		return 0
	}
	return c.desk.child.pid()
}
