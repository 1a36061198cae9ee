package pool

import (
	"fmt"
	"sync"
	"time"
)

// follow listens to the child that has the caller's job first, to the end of the job or the child. The next at the
// desk then listens; it, and whoever gets the place, need not wait for those who want to know of the start.
func (p *prefork) follow(c *caller) (r Result) {
	d, j := c.desk, c.job
	child := d.child
	var telling sync.WaitGroup
	defer telling.Wait()
	_, hard := j.Limits()
	limit := deadline{file: child.jobs}
	err := c.err
	for err == nil {
		var payload []byte
		if payload, err = limit.read(child); err != nil {
			if limit.passed(err) {
				err = limit.expire(child, func() bool { return p.line.expire(c) })
			}
			continue
		}
		var rest []byte
		var kind byte
		if kind, _, rest, err = about(payload); err != nil {
			break
		}
		switch kind {
		case frameStarted:
			if hard > 0 {
				err = limit.set(time.Now().Add(hard))
			}
			if j.Started != nil {
				telling.Go(j.Started)
			}
		case frameSend:
			err = child.publish(j, 0, rest)
		case frameDone:
			var leaving bool
			if r, leaving, err = decodeDone(rest); err != nil {
				break
			}
			limit.clear()
			child.proven.Store(true)
			if leaving {
				p.line.doom(d)
				child.retire()
			}
			return p.conclude(c, r)
		default:
			err = fmt.Errorf("pool child %d said something of kind %q", child.pid(), kind)
		}
	}
	p.line.doom(d)
	child.bury()
	r = child.lost(d.note, c.number)
	if limit.over {
		r = overdue(hard, child.pid())
		p.settings.Log.Warn("pool child killed at the hard time limit of its task", "task", j.Task.Name, "id", j.Task.ID, "limit", hard, "pid", child.pid())
	}
	return p.conclude(c, r)
}

// conclude gives up the caller's desk. A job that Kill decided on has no other end.
func (p *prefork) conclude(c *caller, r Result) Result {
	pid := c.desk.child.pid()
	if c.out != nil {
		c.out.end(c.job)
		c.out = nil
	}
	if p.line.over(c) {
		return terminated(pid)
	}
	return r
}
