package pool

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"taskbench/brokers"
)

// slots runs jobs in this process, so many at a time.
type slots struct {
	settings  Settings
	run       Runner
	places    *places
	crew      *crew // nil: a job runs on the goroutine of its caller
	abandoned atomic.Int64

	mu        sync.Mutex
	first     *attempt   // of those that run, a list
	spare     []*attempt // to be used again
	cancelled bool
	cause     error // once cancelled
}

// An attempt is one job that runs.
type attempt struct {
	ctx        context.Context
	cancel     context.CancelCauseFunc
	number     uint64
	prev, next *attempt
	ended      bool         // its context has; guarded by the pool's mu
	outcome    atomic.Int32 // of one with a hard limit; undecided until somebody decides it, once
}

const (
	undecided int32 = iota
	decided
	abandoned
)

func newSlots(s Settings, most int, run Runner) *slots {
	return &slots{settings: s, run: run, places: newPlaces(min(s.Size, most), most)}
}

func newThreads(s Settings, run Runner) *slots {
	p := newSlots(s, mostSlots, run)
	p.crew = newCrew()
	p.crew.grow(s.Size)
	return p
}

// Run implements Pool.
func (p *slots) Run(ctx context.Context, j *Job) Result {
	if !p.places.take(ctx, nil) {
		return Result{}
	}
	defer p.places.give()
	a := p.begin(j.Attempt)
	if _, hard := j.Limits(); hard > 0 {
		return p.limited(a, *j, hard)
	}
	defer p.end(a, true)
	if p.crew == nil {
		return p.run(a.ctx, j)
	}
	done := make(chan Result, 1)
	p.crew.do(func() bool { done <- p.run(a.ctx, j); return true })
	return <-done
}

// limited runs a job on another goroutine, which is left to itself at the limit; so the job is a copy.
func (p *slots) limited(a *attempt, j Job, hard time.Duration) Result {
	started, done := make(chan struct{}), make(chan Result, 1)
	tell, once := j.Started, sync.Once{}
	j.Started = func() {
		once.Do(func() {
			if tell != nil {
				tell()
			}
			close(started)
		})
	}
	ended := j.Ended
	j.Ended = func(r Result) bool {
		return a.outcome.CompareAndSwap(undecided, decided) && (ended == nil || ended(r))
	}
	if send := j.Send; send != nil {
		j.Send = func(m brokers.Message) error {
			if a.outcome.Load() == abandoned {
				return errAbandoned
			}
			return send(m)
		}
	}
	work := func() bool {
		defer p.end(a, false)
		r := p.run(a.ctx, &j)
		if !a.outcome.CompareAndSwap(undecided, decided) && a.outcome.Load() == abandoned {
			p.abandoned.Add(-1)
			return false
		}
		done <- r
		return true
	}
	if p.crew == nil {
		go work()
	} else {
		p.crew.do(work)
	}
	var limit <-chan time.Time
	for {
		select {
		case r := <-done:
			return r
		case <-started:
			started, limit = nil, time.After(hard)
		case <-limit:
			limit = nil
			if p.abandon(a) {
				p.settings.Log.Warn("task abandoned at its hard time limit: its function runs on", "task", j.Task.Name, "id", j.Task.ID, "limit", hard)
				return overdue(hard, os.Getpid())
			}
		}
	}
}

// abandon gives an attempt up, unless it has just ended.
func (p *slots) abandon(a *attempt) bool {
	p.abandoned.Add(1)
	if !a.outcome.CompareAndSwap(undecided, abandoned) {
		p.abandoned.Add(-1)
		return false
	}
	a.cancel(ErrHardLimit)
	if p.crew != nil {
		p.crew.grow(1) // in the place of the thread that stays with the attempt
	}
	return true
}

// begin notes that an attempt runs.
func (p *slots) begin(number uint64) *attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a *attempt
	if n := len(p.spare); n > 0 {
		a, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		a = new(attempt)
		a.ctx, a.cancel = context.WithCancelCause(context.Background())
	}
	a.number = number
	if a.next = p.first; a.next != nil {
		a.next.prev = a
	}
	p.first = a
	if p.cancelled {
		a.stop(p.cause)
	}
	return a
}

// end notes that it does not any more. Making a context costs more than a job that does nothing: one that has not
// ended serves the next job of the place, unless it may still be held to a limit.
func (p *slots) end(a *attempt, again bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.prev == nil {
		p.first = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	}
	a.prev, a.next = nil, nil
	if again && !a.ended {
		p.spare = append(p.spare, a)
	}
}

// stop ends an attempt's context; the pool's mu is held.
func (a *attempt) stop(cause error) {
	a.ended = true
	a.cancel(cause)
}

// Cancel implements Pool.
func (p *slots) Cancel(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancelled, p.cause = true, cause
	for a := p.first; a != nil; a = a.next {
		a.stop(cause)
	}
}

// Kill implements Manager.
func (p *slots) Kill(number uint64, _ syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := p.first; a != nil; a = a.next {
		if a.number == number && a.outcome.Load() == undecided {
			a.stop(ErrRevoked)
			return true
		}
	}
	return false
}

// Resize implements Manager.
func (p *slots) Resize(n int) error {
	grown, err := p.places.resize(n)
	if err == nil && p.crew != nil {
		p.crew.grow(grown)
	}
	return err
}

// Restart implements Manager.
func (p *slots) Restart() {}

// Abandoned implements Manager.
func (p *slots) Abandoned() int { return int(p.abandoned.Load()) }

// Size implements Pool.
func (p *slots) Size() int { return p.places.width() }

// PIDs implements Pool.
func (p *slots) PIDs() []int { return nil }

// Close implements Pool.
func (p *slots) Close() error {
	p.Cancel(context.Canceled)
	if p.crew != nil {
		p.crew.dismiss()
	}
	return nil
}
