package pool

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// preforkProcs bounds a child to the processor that runs its task and one that watches its parent: with more, the
// children of one machine get in each other's way; with one, the watching holds up tasks that are short.
const preforkProcs = "GOMAXPROCS=2"

// killDelay is how long a signal of Kill's has to be heeded by what the task has started, before SIGKILL.
const killDelay = 100 * time.Millisecond

// prefork runs jobs in child processes, one at a time in each. Where jobs are brief and all children busy, a few
// more may wait behind the one that runs, in the child's pipe; see line.
type prefork struct {
	keeper
	line line
}

func newPrefork(ctx context.Context, s Settings) (Pool, error) {
	m, err := newMould(s, 1, preforkProcs)
	if err != nil {
		return nil, err
	}
	p := &prefork{line: line{pace: slowly, brief: briefly, patience: patiently}} // jobs have to show that they are brief
	p.init(s, m, p.line.add)
	if err := p.open(ctx, s.Size); err != nil {
		return nil, err
	}
	return p, nil
}

// Run implements Pool.
func (p *prefork) Run(ctx context.Context, j *Job) Result {
	if err := j.encode(); err != nil {
		return Result{Status: Malformed, Err: err}
	}
	if len(j.frame) > 64<<10 {
		defer func() { j.frame = nil }() // not kept alive for jobs of common size
	}
	c := newCaller(ctx, j)
	defer c.free()
	for {
		switch p.enter(ctx, c) {
		case toFollow:
			if r := p.follow(c); r.Status != Unstarted {
				return r
			}
			// The child was dead before it had read the job, so another one may have it.
		case toTake:
			return c.take()
		default:
			return Result{}
		}
	}
}

// enter has the caller's job sent to a child, and returns toFollow when it is the first there, toTake when it has ended
// before that could be seen, and toLeave when ctx or the pool ends before it has begun.
func (p *prefork) enter(ctx context.Context, c *caller) int {
	if ctx.Err() != nil || p.ended() {
		return toLeave
	}
	p.line.join(c)
	done, closing := ctx.Done(), p.closing
	for {
		switch do := p.line.look(c); do {
		case toWait:
		case toSend:
			if ctx.Err() != nil && p.line.quit(c) {
				return toLeave
			}
			p.line.push(c)
			continue
		default:
			return do
		}
		select {
		case <-c.wake:
			done, closing = ctx.Done(), p.closing
			continue
		case <-done:
			done = nil
		case <-closing:
			closing = nil
		}
		if p.line.quit(c) {
			return toLeave
		}
	}
}

// Resize implements Manager.
func (p *prefork) Resize(n int) error {
	if n < 0 || n > mostChildren {
		return fmt.Errorf("resize the pool: %d children are not from 0 to %d", n, mostChildren)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended() {
		return nil
	}
	for len(p.places) < n {
		p.add(nil)
	}
	for busy := range 2 { // the idle first
		for i := len(p.places) - 1; i >= 0 && len(p.places) > n; i-- {
			pl := p.places[i]
			if busy == 0 && pl.child != nil && pl.child.occupied() {
				continue
			}
			close(pl.leave)
			p.places = append(p.places[:i], p.places[i+1:]...)
		}
	}
	return nil
}

// Restart implements Manager.
func (p *prefork) Restart() {
	p.mu.Lock()
	places := append([]*place(nil), p.places...)
	p.mu.Unlock()
	go func() {
		for _, pl := range places {
			p.replace(pl)
		}
	}()
}

// replace has a place's child leave, and unless that is busy waits until there is another.
func (p *prefork) replace(pl *place) {
	p.mu.Lock()
	old := pl.child
	p.mu.Unlock()
	if old == nil || old.retire() {
		return
	}
	for {
		p.mu.Lock()
		now, changed := pl.child, p.changed
		p.mu.Unlock()
		if now != nil && now != old {
			return
		}
		select {
		case <-changed:
		case <-pl.leave:
			return
		case <-p.closing:
			return
		}
	}
}

// Kill implements Manager.
func (p *prefork) Kill(attempt uint64, sig syscall.Signal) bool {
	c := p.line.condemn(attempt)
	if c == nil {
		return false
	}
	defer c.release()
	c.meant.Store(true)
	if sig == syscall.SIGKILL {
		c.kill()
		return true
	}
	c.signal(sig)
	time.AfterFunc(killDelay, c.kill)
	return true
}

// Locate implements Locator.
func (p *prefork) Locate(attempt uint64) (pid int) { return p.line.locate(attempt) }

// Abandoned implements Manager: who is over the limit is killed.
func (p *prefork) Abandoned() int { return 0 }

// Size implements Pool.
func (p *prefork) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.places)
}
