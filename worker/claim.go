package worker

import (
	"context"
	"time"

	"taskbench/worker/canvas"
	"taskbench/worker/result"
)

// How long a claim lasts that nobody renews, how often its holder renews it, and how often one that waits for it asks.
// A holder has three tries before its claim lapses.
const (
	claimLife  = 15 * time.Second
	claimRenew = claimLife / 4
	claimAsk   = time.Second
)

// A claim keeps others from running an attempt's task. It is renewed until it is released.
type claim struct {
	id, holder string
	backend    result.Claimer
	stop       context.CancelFunc
	stopped    chan struct{}
}

// claims is the backend that gives a task to one attempt at a time, where the task is one to be run once; or nil.
func (w *Worker) claims(a *attempt) result.Claimer {
	if a.job.Task.Message.Headers[canvas.HeaderOnce] != true {
		return nil
	}
	c, _ := w.options.Results.(result.Claimer)
	return c
}

// claim has the attempt hold its task, where that is one to be run once, and tells whether the attempt is to be run now.
// While another copy is run it waits on the schedule; it is acknowledged unrun once that has succeeded, and has the task
// once the other's claim is released or has lapsed. A backend that does not answer is asked again, as by persist: the
// message is held meanwhile, so that the task is neither lost nor run twice. Later says that it waits.
func (s *session) claim(settle context.Context, a *attempt, backend result.Claimer) (run, later bool) {
	w := s.worker
	c := &claim{id: a.key.id, holder: newID(), backend: backend} // of this attempt alone: both copies may be in one worker
	var wait time.Duration
	if !s.persist(settle, a, func(ctx context.Context) (err error) {
		wait, err = backend.Claim(ctx, c.id, c.holder, claimLife)
		return err
	}) {
		return false, false
	}
	if wait > 0 {
		w.log.Debug("a copy of the task is run elsewhere: this one waits for its end", "worker", w.config.Name, "task", a.job.Task.Name, "id", c.id)
		a.enter(reserved)
		if s.schedule.add(a, w.now().Add(min(wait, claimAsk))) {
			return false, true
		}
		s.giveBack(settle, a)
		return false, false
	}
	a.claim = c
	ctx, stop := context.WithCancel(context.WithoutCancel(settle)) // the loss of a broker is not the backend's
	c.stop, c.stopped = stop, make(chan struct{})
	go w.renew(ctx, c)
	return !s.succeededBefore(settle, a), false // the other copy may have ended since it was last looked for
}

// renew keeps a claim until it is stopped, or is another's. A worker that gives up what it runs lets it lapse.
func (w *Worker) renew(ctx context.Context, c *claim) {
	defer close(c.stopped)
	log := w.log.With("worker", w.config.Name, "id", c.id)
	tick := time.NewTicker(claimRenew)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-w.givenUp:
			return
		}
		try, cancel := context.WithTimeout(ctx, claimRenew)
		wait, err := c.backend.Claim(try, c.id, c.holder, claimLife)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Warn("the claim on a running task could not be renewed yet: once it has lapsed a second copy may be run; see that the result backend runs", "err", err)
		case wait > 0:
			log.Error("the claim on a running task has lapsed and a second copy of it is run elsewhere; see that the result backend can be reached")
			return
		}
	}
}

// release gives the task up. Where the backend does not hear it, the claim lapses by itself.
func (a *attempt) release(w *Worker) {
	c := a.claim
	if c == nil {
		return
	}
	a.claim = nil
	c.stop()
	<-c.stopped
	ctx, cancel := context.WithTimeout(context.Background(), notice)
	defer cancel()
	if err := c.backend.Release(ctx, c.id, c.holder); err != nil {
		w.log.Warn("the claim on a task could not be released: it lapses by itself", "worker", w.config.Name, "id", c.id, "err", err)
	}
}
