package pool

import (
	"errors"
	"os"
	"time"
)

// frameGrace is how long a child may take, past its job's hard limit, to finish what it has begun to say.
const frameGrace = 10 * time.Second

// A deadline is the hard limit of a job, as a bound on reading what its child says.
type deadline struct {
	file *os.File
	at   time.Time // zero while there is none
	over bool      // the limit has decided on the job
}

func (d *deadline) set(at time.Time) error {
	d.at = at
	return d.file.SetReadDeadline(at)
}

func (d *deadline) clear() {
	if !d.at.IsZero() {
		_ = d.file.SetReadDeadline(time.Time{})
	}
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
