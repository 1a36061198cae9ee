package pool

import (
	"slices"
	"sync"
	"time"
)

const (
	// briefly is how long jobs may take on average, from being sent to their end, for others to wait behind them. What
	// that saves, wake-ups, is nothing beside a longer job.
	briefly = time.Millisecond

	// slowly is the most that one job counts for in the average: one that takes hours is forgotten after some brief ones.
	slowly = 10 * time.Millisecond

	// patiently is how long a job waits behind another before it waits for a place again, ahead of all who came later.
	patiently = 2 * time.Millisecond

	// mostBehind is the most bytes of a job that others wait behind, or that waits. A pipe of the usual size holds what a
	// child may not have read of such jobs, fewer than two for each turn, so that nobody waits there to write.
	mostBehind = 4 << 10
)

// A line is where callers of Run wait for children of a prefork pool. A caller has a desk to itself where one is idle,
// and waits for one otherwise, in the order of arrival. While jobs are brief it may meanwhile wait behind other callers'
// jobs, in the child's pipe: a child that ends a job then need not wait for the next. Such a job can be recalled until
// the child takes it.
//
// Whoever locks the line unlocks it by its own unlock, which sends what has been given places meanwhile.
type line struct {
	mu              sync.Mutex
	desks           []*desk    // of all children, and of dead ones for a while
	idle            []*desk    // without a job, in the order in which they became so; dead ones for a while
	roomy           []*desk    // with a job and maybe room behind it; dead ones for a while
	due             []*desk    // with jobs to be sent
	parted          []*process // with a job fewer, which they have yet to be told
	waiting         list       // for a place, by ticket
	behind          list       // sent behind others, and not seen by tick to have begun, the oldest first
	tickets         uint64
	pace            time.Duration // moving average of what jobs take
	brief, patience time.Duration
	clock           *time.Timer
	ticking         bool
}

// A desk is where a child works: at one job, with others behind it, no more than it has turns in all.
type desk struct {
	child *process
	note  *note

	// Guarded by the line's mu.
	count   uint64    // jobs numbered
	jobs    []*caller // the first is at work, or will be
	doomed  bool      // the child begins no more jobs
	closed  bool      // nobody is to wait here until the first has ended
	roomy   bool      // it is in the line's list
	due     bool      // likewise
	sending bool      // somebody writes jobs to the child

	frames []byte // of whoever is sending
	timed  bool   // a deadline may be set for reading what the child says: known to who does
}

// first is who is at work at the desk, or will be; nil where nobody is.
func (d *desk) first() *caller {
	if len(d.jobs) == 0 {
		return nil
	}
	return d.jobs[0]
}

// add makes a child's desk.
func (l *line) add(p *process) {
	d := &desk{child: p, note: &p.book.notes[0], jobs: make([]*caller, 0, turns)}
	p.recall = func() { l.clear(d) }
	l.mu.Lock()
	defer l.unlock()
	dead := func(d *desk) bool { return len(d.jobs) == 0 && !d.child.alive() }
	l.desks = append(slices.DeleteFunc(l.desks, dead), d)
	l.idle = slices.DeleteFunc(l.idle, dead)
	l.roomy = slices.DeleteFunc(l.roomy, dead) // while jobs are long nobody else takes any out
	l.free(d)
	l.match()
}

// join has a caller wait for a place. One that comes again keeps its ticket.
func (l *line) join(c *caller) {
	l.mu.Lock()
	defer l.unlock()
	l.queue(c)
	l.match()
}

// queue puts a caller among the waiting; l.mu is held, as in all that follows here but tick.
func (l *line) queue(c *caller) {
	after := l.waiting.last
	if c.ticket == 0 {
		l.tickets++
		c.ticket = l.tickets
	} else {
		after = nil
		for w := l.waiting.first; w != nil && w.ticket < c.ticket; w = w.next {
			after = w
		}
	}
	l.waiting.add(c, after)
}

// match gives out the places that there are.
func (l *line) match() {
	for len(l.idle) > 0 {
		d := l.idle[0]
		if !d.child.alive() {
			l.idle = slices.Delete(l.idle, 0, 1)
			continue
		}
		for b := l.behind.first; b != nil && l.waiting.first == nil; b = b.next {
			l.recall(b)
		}
		c := l.waiting.first
		if c == nil {
			break
		}
		l.idle = slices.Delete(l.idle, 0, 1)
		if d.child.engage() {
			l.give(d, c)
		}
	}
	for c := l.waiting.first; c != nil && l.pace < l.brief && c.small(); c = l.waiting.first {
		d := l.room()
		if d == nil {
			break
		}
		l.give(d, c)
	}
}

// room finds a desk, and engages its child, where a job may wait behind others.
func (l *line) room() *desk {
	for len(l.roomy) > 0 {
		d := l.roomy[0]
		l.roomy = slices.Delete(l.roomy, 0, 1)
		d.roomy = false
		if d.open() && (!d.first().sent || time.Since(d.first().since) < l.patience) && d.child.alive() && d.child.engage() {
			return d
		}
	}
	return nil
}

// open tells whether a job may wait at the desk behind others: it gets the next turn, which has to be free.
func (d *desk) open() bool {
	first := d.first()
	if first == nil || !first.small() || d.doomed || d.closed || !d.child.wide {
		return false
	}
	next, oldest := d.count+1, first.number
	for _, c := range d.jobs {
		if c.number == 0 {
			next++
		}
	}
	if oldest == 0 {
		oldest = d.count + 1
	}
	return next-oldest < turns
}

// offer lists the desk if it is open.
func (l *line) offer(d *desk) {
	if !d.roomy && d.open() {
		d.roomy = true
		l.roomy = append(l.roomy, d)
	}
}

// free lists the desk as idle, unless its child is not to be used any more.
func (l *line) free(d *desk) {
	if !d.doomed {
		l.idle = append(l.idle, d)
	}
}

// give places a waiting caller, whose job is then to be sent.
func (l *line) give(d *desk, c *caller) {
	c.unlist()
	c.desk, c.number, c.sent, c.recalled = d, 0, false, false
	d.jobs = append(d.jobs, c)
	l.owe(d)
	l.offer(d)
}

// owe has unlock send what is at the desk.
func (l *line) owe(d *desk) {
	if !d.due {
		d.due = true
		l.due = append(l.due, d)
	}
}

// recall has a job that waits behind another wait for a place instead; false says that the child has begun it, which
// tick has yet to see. The desk is not offered again before its first has ended, by when the child has met the frame:
// they do not pile up.
func (l *line) recall(c *caller) bool {
	d := c.desk
	if c.number != 0 {
		if !d.note.recall(c.number) {
			return false
		}
		d.closed = true
		if c.recalled = !c.sent; c.recalled {
			return true // whoever sends it will see
		}
	}
	c.unlist()
	l.part(c)
	l.queue(c)
	return true
}

// part takes a caller from its desk, which whoever is next there has then to itself.
func (l *line) part(c *caller) {
	d := c.desk
	c.desk = nil
	l.parted = append(l.parted, d.child)
	was := d.first()
	d.jobs = slices.DeleteFunc(d.jobs, func(at *caller) bool { return at == c })
	next := d.first()
	if next != was {
		d.closed = false
		if next == nil {
			l.free(d)
			return
		}
		next.unlist()
		next.since = time.Now()
		if next.sent {
			next.call()
		}
	}
	l.offer(d)
}

// watch sees to it that nobody waits behind another beyond patience.
func (l *line) watch() {
	if l.ticking || l.behind.first == nil {
		return
	}
	l.ticking = true
	wait := l.patience - time.Since(l.behind.first.since)
	if l.clock == nil {
		l.clock = time.AfterFunc(wait, l.tick)
	} else {
		l.clock.Reset(wait)
	}
}

// tick is called by the clock, when the one that waits the longest behind another may have waited long enough. One that
// cannot be recalled any more is at work, so that the first has ended: its child is told to say so.
func (l *line) tick() {
	l.mu.Lock()
	defer l.unlock()
	l.ticking = false
	for c := l.behind.first; c != nil && time.Since(c.since) >= l.patience; c = l.behind.first {
		if !l.recall(c) {
			c.unlist()
			c.desk.child.hurry()
		}
	}
	l.match()
	l.watch()
}
