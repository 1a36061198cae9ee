package pool

import "time"

// rounds is how often whoever unlocks the line sends what it has given places to. Each round may make room for more,
// which is then left to one of those whose jobs they are.
const rounds = 2

// unlock sends what is due, and unlocks the line. Sending does not block: what may take long, a large job, is left to
// its caller.
func (l *line) unlock() {
	l.pay()
	parted := l.parted
	l.parted = nil
	l.mu.Unlock()
	for _, p := range parted {
		p.disengage() // outside: it may free what the child had, and log its last words
	}
}

// pay sends what is due. L.mu is held, but not meanwhile.
func (l *line) pay() {
	for round := 0; len(l.due) > 0; round++ {
		due := l.due
		l.due = nil
		for _, d := range due {
			d.due = false
			switch {
			case d.sending: // whoever does sees to the rest
			case round < rounds:
				l.send(d, nil)
			default:
				l.pass(d)
			}
		}
	}
}

// pass leaves what is to be sent at a desk to the first whose job it is.
func (l *line) pass(d *desk) {
	for _, c := range d.jobs {
		if c.number == 0 {
			c.call()
			return
		}
	}
}

// send writes the jobs that have come to a desk to its child, in their order; a large one only for its own caller. L.mu is
// held, but not meanwhile.
func (l *line) send(d *desk, own *caller) {
	batch := make([]*caller, 0, turns)
	for _, c := range d.jobs {
		if c.number != 0 {
			continue
		}
		if !c.small() && c != own {
			c.call()
			break
		}
		d.count++
		c.number = d.count
		d.note.offer(c.number)
		batch = append(batch, c)
	}
	if len(batch) == 0 {
		return
	}
	d.sending = true
	l.mu.Unlock()
	err := d.write(batch)
	l.mu.Lock()
	d.sending = false
	for _, c := range batch {
		l.sent(d, c, err)
	}
	for _, c := range d.jobs {
		if c.number == 0 { // it came meanwhile
			l.owe(d)
			break
		}
	}
	l.offer(d)
	l.watch()
	l.match()
}

// write sends jobs in one piece. Some contexts end without waking anybody, so they are asked once more: the child passes
// over a job whose context has ended.
func (d *desk) write(batch []*caller) error {
	child := d.child
	frames := batch[0].job.frame
	if len(batch) > 1 {
		frames = d.frames[:0]
	}
	for _, c := range batch {
		c.dropped = c.ctx.Err() != nil && d.note.recall(c.number)
		c.forget()
		if len(child.outs) > 0 {
			c.out = child.outs[c.number%turns]
			c.out.begin(c.job)
		}
		if len(batch) > 1 {
			frames = append(frames, c.job.frame...)
		}
	}
	if len(batch) > 1 {
		d.frames = frames
	}
	return child.write(frames)
}

// sent notes that a job has been sent; an error shows once more when the child is listened to. L.mu is held.
func (l *line) sent(d *desk, c *caller, err error) {
	c.sent, c.err = true, err
	if c.leaving {
		c.leaving = false
		c.call()
	}
	switch {
	case c.dropped:
		c.ended = true
		c.unlist()
		l.part(c)
		c.call()
		return
	case c.recalled:
		c.unlist()
		l.part(c)
		l.queue(c)
		return
	}
	c.at = time.Now()
	c.since = c.at
	if d.first() == c {
		c.call()
		return
	}
	l.behind.add(c, l.behind.last)
}
