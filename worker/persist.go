package worker

import (
	"context"
	"errors"
	"time"
)

// How steps are repeated that have to be done before a message may be acknowledged: until they succeed, but not for
// ever. While they wait, the message is held unacknowledged and takes one of the prefetch, and no place in the pool;
// so a backend that is down slows the worker down to a standstill and loses nothing.
const (
	stepPatience = 10 * time.Second // of one try
	lastPause    = 2 * time.Second
	insistence   = time.Hour // on all tries together
)

// persist does the steps in order, each until it succeeds. Where it gives up, because the worker stops or after an
// hour, it settles the attempt and returns false: a message that is still unacknowledged goes back to the broker (after
// the hour it is kept aside, since the next time would be no better), and one that was acknowledged early is lost with
// its result, which is said.
func (s *session) persist(settle context.Context, a *attempt, steps ...func(context.Context) error) bool {
	for _, step := range steps {
		if err := s.tryStep(settle, step); err == nil {
			continue
		} else if err = s.insist(settle, a, step, err); err != nil {
			s.resign(settle, a, err)
			return false
		}
	}
	return true
}

// tryStep does a step once. The connection to the broker need not outlive it: the step may concern another server.
func (s *session) tryStep(settle context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(settle), stepPatience)
	defer cancel()
	return step(ctx)
}

var errInsisted = errors.New("it was tried for an hour")

// insist repeats a step that has failed. Its error says why it is given up.
func (s *session) insist(settle context.Context, a *attempt, step func(context.Context) error, err error) error {
	w := s.worker
	w.log.Warn("a step of a task cannot be done yet: it is tried again; see that the result backend and the broker run", "worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id, "err", err)
	wait := firstBackoff
	since, last := time.Now(), lastSends
	for {
		if w.stopping.Load() {
			if last--; last == 0 || w.gaveUp.Load() {
				return err
			}
		}
		if time.Since(since) > insistence {
			return errors.Join(errInsisted, err)
		}
		w.rest(wait)
		wait = min(2*wait, lastPause)
		if err = s.tryStep(settle, step); err == nil {
			return nil
		}
	}
}

// rest waits for so long, or until the worker gives up what it still has.
func (w *Worker) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.givenUp:
	}
}

// resign settles an attempt whose end could not be told.
func (s *session) resign(settle context.Context, a *attempt, err error) {
	w := s.worker
	log := w.log.With("worker", w.config.Name, "task", a.job.Task.Name, "id", a.key.id)
	switch {
	case a.acked:
		log.Error("the end of a task could not be told before the stop: its result is lost", "err", err)
		s.end(a, true, true)
	case errors.Is(err, errInsisted):
		s.end(a, s.malformed(settle, a, err), true)
	default:
		log.Error("a step of a task could not be done before the stop: its message goes back, and whoever gets it runs it", "err", err)
		s.giveBack(settle, a)
	}
}
