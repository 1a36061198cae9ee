package pool

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// A following is a caller that listens to the child that has its job first.
type following struct {
	pool    *prefork
	caller  *caller
	hard    time.Duration
	limit   deadline
	started time.Time      // as far as is known
	bound   bool           // the hard limit is in force
	looks   int            // in vain
	telling sync.WaitGroup // who wants to know of the start
	ended   []*caller      // the caller, and those next to it whose jobs were heard to have ended too
}

// follow listens to the child that has the caller's job first, to the end of the job or the child. The next at the
// desk then listens; it, and whoever gets the place, need not wait for those who want to know of the start.
func (p *prefork) follow(c *caller) Result {
	f := following{pool: p, caller: c, limit: deadline{desk: c.desk, file: c.desk.child.said}, ended: []*caller{c}}
	_, f.hard = c.job.Limits()
	defer f.telling.Wait()
	if c.err == nil {
		if r, ended := f.listen(); ended {
			return f.conclude(r)
		}
	}
	return f.conclude(f.lose())
}

// listen returns when the job has ended; false when the child is lost.
func (f *following) listen() (r Result, ended bool) {
	child := f.caller.desk.child
	err := f.limit.begin(f.hard > 0 || f.caller.job.Started != nil)
	for err == nil {
		var payload []byte
		if payload, err = f.limit.read(child); err != nil {
			if f.limit.passed(err) {
				err = f.late()
			}
			continue
		}
		kind, _, rest, bad := about(payload)
		switch {
		case bad != nil:
			err = bad
		case kind == frameStarted:
			f.look()
		case kind == frameSend:
			f.look()
			err = child.publish(f.caller.job, 0, rest)
		case kind == frameDone:
			var leaving bool
			if r, leaving, err = decodeDone(rest); err == nil {
				f.look()
				leaving = leaving || f.others()
				f.done(leaving)
				return r, true
			}
		default:
			err = fmt.Errorf("pool child %d said something of kind %q", child.pid(), kind)
		}
	}
	return Result{}, false
}

// others takes what the child has said in one breath of the jobs behind. It tells whether the child leaves.
func (f *following) others() (leaving bool) {
	in := f.caller.desk.child.in
	if whole(in) == nil {
		return false
	}
	for _, c := range f.pool.line.after(f.caller, turns-1) {
		payload := whole(in)
		kind, _, rest, err := about(payload)
		if err != nil || kind != frameDone {
			return false
		}
		if c.result, leaving, err = decodeDone(slices.Clone(rest)); err != nil {
			return false // whoever listens next says so
		}
		_, _ = in.Discard(4 + len(payload))
		c.close()
		if f.ended = append(f.ended, c); leaving {
			return true
		}
	}
	return false
}

// look finds out whether the attempt has started, and tells who wants to know.
func (f *following) look() {
	c := f.caller
	since := c.desk.note.turn(c.number).started.Load()
	if since == 0 || !f.started.IsZero() {
		return
	}
	now := time.Now()
	f.started = now.Add(-min(max(now.Sub(time.Unix(0, since)), 0), now.Sub(c.at))) // the clock may have been set
	if c.job.Started != nil {
		f.telling.Go(c.job.Started)
	}
}

// late is called when the bound on reading is reached.
func (f *following) late() error {
	if f.bound {
		c := f.caller
		return f.limit.expire(c.desk.child, func() bool { return f.pool.line.expire(c) })
	}
	f.look()
	switch {
	case f.started.IsZero():
		f.looks++
		return f.limit.set(time.Now().Add(min(lookAfter<<min(f.looks, 10), lookAtLeast)))
	case f.hard > 0:
		f.bound = true
		return f.limit.set(f.started.Add(f.hard))
	}
	return f.limit.set(time.Time{})
}

// done sees to a child that has ended a job.
func (f *following) done(leaving bool) {
	d := f.caller.desk
	d.child.proven.Store(true)
	if leaving {
		f.pool.line.doom(d)
		d.child.retire()
	}
}

// lose tells what became of the job of a child that is dead or dying.
func (f *following) lose() Result {
	c := f.caller
	d := c.desk
	f.pool.line.doom(d)
	d.child.bury()
	f.look()
	if !f.limit.over {
		return d.child.lost(d.note, c.number)
	}
	t := &c.job.Task
	f.pool.settings.Log.Warn("pool child killed at the hard time limit of its task", "task", t.Name, "id", t.ID, "limit", f.hard, "pid", d.child.pid())
	return overdue(f.hard, d.child.pid())
}

// conclude gives up the places of those whose jobs have ended. A job that Kill decided on has no other end.
func (f *following) conclude(r Result) Result {
	pid := f.caller.desk.child.pid()
	f.caller.close()
	if f.pool.line.over(f.ended...) {
		return terminated(pid)
	}
	return r
}
