package pool

import (
	"context"
	"fmt"
	"syscall"
)

// preforkProcs bounds a child to the processor that runs its task and one that watches its parent: with more, the
// children of one machine get in each other's way; with one, the watching holds up tasks that are short.
const preforkProcs = "GOMAXPROCS=2"

// prefork runs jobs in child processes, one at a time in each. A job goes to an idle child only, so that no job
// waits behind another while a child has nothing to do.
type prefork struct {
	keeper
	idle chan *seat // may hold those of dead children for a while
}

func newPrefork(ctx context.Context, s Settings) (Pool, error) {
	m, err := newMould(s, 1, preforkProcs)
	if err != nil {
		return nil, err
	}
	p := &prefork{idle: make(chan *seat, 4*max(s.Size, mostChildren))}
	p.init(s, m, func(c *process) { p.offer(c.addSeat()) })
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
	for {
		s := p.take(ctx)
		if s == nil {
			return Result{}
		}
		r, again := s.run(j, p.settings.Log)
		if again {
			p.offer(s)
		}
		s.child.disengage()
		if r.Status != Unstarted {
			return r
		}
		// The child was dead before it had read the job, so another one may have it.
	}
}

// take waits for an idle child, engaged by the caller; nil when ctx or the pool ends first. Some contexts end without
// waking anybody, so they are asked once more when there is a child.
func (p *prefork) take(ctx context.Context) *seat {
	for ctx.Err() == nil {
		select {
		case s := <-p.idle:
			if !s.child.alive() || !s.child.engage() {
				continue
			}
			if ctx.Err() == nil {
				return s
			}
			p.offer(s) // the caller is not to be run any more
			s.child.disengage()
		case <-ctx.Done():
		case <-p.closing:
			return nil
		}
	}
	return nil
}

// offer makes a child available.
func (p *prefork) offer(s *seat) {
	for {
		select {
		case p.idle <- s:
			return
		default:
			p.sweep() // full of dead ones
		}
	}
}

// sweep takes the dead out of the idle.
func (p *prefork) sweep() {
	for range len(p.idle) {
		select {
		case s := <-p.idle:
			if s.child.alive() {
				p.idle <- s
			}
		default:
			return
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
	for _, c := range p.held() {
		found := c.terminate(attempt, sig)
		c.release()
		if found {
			return true
		}
	}
	return false
}

// Abandoned implements Manager: who is over the limit is killed.
func (p *prefork) Abandoned() int { return 0 }

// Size implements Pool.
func (p *prefork) Size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.places)
}
