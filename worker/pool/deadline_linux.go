package pool

import (
	"errors"
	"os"
	"time"
)

// frameGrace is how long a child may take, past its job's hard limit, to finish what it has begun to say.
const frameGrace = 10 * time.Second

// A job that has not ended lookAfter it was sent is looked at, whether it has started; and again, at the latest each
// lookAtLeast, if not: its child may not run at all.
const (
	lookAfter   = 2 * time.Millisecond
	lookAtLeast = 100 * time.Millisecond
)

// A deadline is a bound on reading what a prefork child says: until the job is known to have started, for looking
// whether it has; after that it is the job's hard limit.
type deadline struct {
	desk *desk
	file *os.File
	at   time.Time // zero while there is none
	over bool      // the limit has decided on the job
}

// begin bounds the reading for a job that is looked after, and lifts the bound that may be left from the job before.
func (d *deadline) begin(looked bool) error {
	if looked {
		return d.set(time.Now().Add(lookAfter))
	}
	if !d.desk.timed {
		return nil
	}
	d.desk.timed = false
	return d.set(time.Time{})
}

func (d *deadline) set(at time.Time) error {
	d.at = at
	d.desk.timed = d.desk.timed || !at.IsZero()
	return d.file.SetReadDeadline(at)
}

// read reads one frame. A frame that has begun is read to its end.
func (d *deadline) read(c *process) ([]byte, error) {
	n, err := readHead(c.in)
	if err != nil {
		return nil, err
	}
	if d.at.IsZero() || n <= c.in.Buffered() {
		return readBody(c.in, n)
	}
	_ = d.file.SetReadDeadline(time.Now().Add(frameGrace))
	payload, err := readBody(c.in, n)
	if err != nil {
		d.at = time.Time{} // what comes next is no frame
		return nil, err
	}
	return payload, d.file.SetReadDeadline(d.at)
}

// passed tells whether an error of read is the limit's.
func (d *deadline) passed(err error) bool {
	return !d.at.IsZero() && errors.Is(err, os.ErrDeadlineExceeded)
}

// expire kills the child for a job that is over its limit, once decide says that it is this that ends it. A child
// whose job has just ended gets time to say how.
func (d *deadline) expire(c *process, decide func() bool) error {
	if decide() {
		d.over = true
		c.meant.Store(true)
	} else if time.Since(d.at) < frameGrace {
		return d.file.SetReadDeadline(time.Now().Add(frameGrace))
	}
	d.at = time.Time{}
	c.kill()
	return os.ErrDeadlineExceeded
}
