package worker

import (
	"context"
	"sync"
	"time"
)

// A Shutdown is how a worker stops. Whichever it is, it takes no more messages and gives back those that have not
// started. What still runs in the end is cancelled with ErrStopped (killed, in a pool child) and given back, if it is
// acknowledged late.
type Shutdown int

// Warm waits for running tasks, up to the configured grace. Soft waits no longer than the configured soft shutdown
// timeout, and Cold for nothing.
const (
	Warm Shutdown = iota
	Soft
	Cold
)

// stops are the ways in which a stop has been asked for.
type stops struct {
	warm, cold         chan struct{} // closed
	warmOnce, coldOnce sync.Once
}

func (s *stops) init() { s.warm, s.cold = make(chan struct{}), make(chan struct{}) }

// Stop ends Run. It returns at once; a second call may only make a stop that is under way quicker.
func (w *Worker) Stop(how Shutdown) {
	cold := func() { w.stops.coldOnce.Do(func() { close(w.stops.cold) }) }
	switch {
	case how == Cold, how == Soft && w.config.SoftStop == 0:
		cold()
	case how == Soft:
		time.AfterFunc(w.config.SoftStop, cold)
	}
	w.stops.warmOnce.Do(func() { close(w.stops.warm) })
}

// stop ends a session warmly: its context is over, so that no more deliveries come and nothing new starts.
func (w *Worker) stop(settle context.Context) {
	w.stopping.Store(true)
	done := make(chan struct{})
	go func() { w.lanes.Wait(); close(done) }()
	var over <-chan time.Time
	if w.config.Grace > 0 {
		over = time.After(w.config.Grace)
	}
	cold := false
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for waits := true; waits; {
		w.watch.turn.Touch()
		select {
		case <-done:
			return
		case <-over:
			waits = false
		case <-w.stops.cold:
			waits, cold = false, true
		case <-tick.C:
		}
	}
	w.gaveUp.Store(true)
	close(w.givenUp)
	w.log.Warn("the time for running tasks to end is over: giving up what still runs", "worker", w.config.Name, "in_hand", w.memory.inHand())
	p := *w.pool.Load()
	p.Cancel(ErrStopped)
	if cold {
		_ = p.Close() // kills children at once; its second call does nothing
	}
	select {
	case <-done:
		return
	case <-time.After(lastCall):
	}
	// These tasks do not heed their context. They run on until the process ends, and somebody else gets them.
	for _, l := range w.memory.leftovers() {
		if err := l.delivery.Nack(settle, true); err == nil {
			w.observe(l.event)
			w.counters.returned.Add(1)
		}
	}
}
