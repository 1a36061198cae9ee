package pool

import (
	"context"
	"sync/atomic"
	"syscall"
)

// greenProcs keeps a green child to one thread that runs Go code.
const greenProcs = "GOMAXPROCS=1"

// green runs jobs in one child process, so many at a time. A child that is replaced ends when its jobs have, while
// the next one works already.
type green struct {
	keeper
	places    *places
	current   atomic.Pointer[host] // the child that gets jobs; nil while there is none
	abandoned atomic.Int64
}

func newGreen(ctx context.Context, s Settings) (Pool, error) {
	m, err := newMould(s, 2*mostSlots, greenProcs) // one half for those that run, one for the abandoned
	if err != nil {
		return nil, err
	}
	p := &green{places: newPlaces(min(s.Size, mostSlots), mostSlots)}
	p.eager = true
	p.init(s, m, func(c *process) {
		h := &host{process: c, pool: p}
		c.hold() // the host's
		go h.listen()
		p.current.Store(h)
	})
	if err := p.open(ctx, 1); err != nil {
		return nil, err
	}
	return p, nil
}

// Run implements Pool.
func (p *green) Run(ctx context.Context, j *Job) Result {
	if err := j.encode(); err != nil {
		return Result{Status: Malformed, Err: err}
	}
	if len(j.frame) > 64<<10 {
		defer func() { j.frame = nil }()
	}
	if !p.places.take(ctx, p.closing) {
		return Result{}
	}
	defer p.places.give()
	for {
		h := p.take(ctx)
		if h == nil {
			return Result{}
		}
		r := h.run(j)
		h.disengage()
		if r.Status != Unstarted {
			return r
		}
	}
}

// take waits for a child, engaged by the caller; nil when ctx or the pool ends first.
func (p *green) take(ctx context.Context) *host {
	for ctx.Err() == nil && !p.ended() {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if h := p.current.Load(); h != nil && h.alive() && h.engage() {
			return h
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-p.closing:
		}
	}
	return nil
}

// Resize implements Manager.
func (p *green) Resize(n int) error {
	_, err := p.places.resize(n)
	return err
}

// Restart implements Manager.
func (p *green) Restart() {
	if h := p.current.Load(); h != nil {
		h.retire()
	}
}

// Kill implements Manager.
func (p *green) Kill(attempt uint64, _ syscall.Signal) bool {
	for _, c := range p.held() {
		found := c.revoke(attempt)
		c.release()
		if found {
			return true
		}
	}
	return false
}

// Abandoned implements Manager.
func (p *green) Abandoned() int { return int(p.abandoned.Load()) }

// Size implements Pool.
func (p *green) Size() int { return p.places.width() }
