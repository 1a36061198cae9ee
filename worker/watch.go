package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/worker/health"
	"taskbench/worker/pool"
)

// pulseEvery is how often the loops come round that have nothing to do: many times within health.DefaultPatience.
const pulseEvery = time.Second

// A watch is what a worker notes down for whoever watches over it.
type watch struct {
	turn         health.Pulse // of Run's goroutine
	began, freed atomic.Int64 // in ns since 1970, of the last attempt; noted where there are Metrics
}

// turning waits for a channel to be closed.
func (w *watch) turning(until <-chan struct{}) {
	tick := time.NewTicker(pulseEvery)
	defer tick.Stop()
	for {
		w.turn.Touch()
		select {
		case <-tick.C:
		case <-until:
			return
		}
	}
}

// leaves notes that an attempt's place is free.
func (w *watch) leaves(a *attempt) {
	a.left.Store(true)
	w.freed.Store(time.Now().UnixNano())
}

// names are what the attempt counts under.
func (a *attempt) names() (task, queue string) {
	return a.job.Task.Name, a.job.Task.Message.Queue
}

// Health is what a health.Server asks of the worker, at any time, before Run and after it too. Its Queues are those
// of now. Without Options.Metrics it cannot tell whether the pool hangs, only whether the worker itself does.
func (w *Worker) Health() health.Source {
	s := health.Source{Node: w.config.Name, Queues: w.Queues(), Status: w.health, Aside: w.counters.malformed.Load}
	if w.variant.Promised(brokers.Counts) {
		s.Depth = w.depth
	}
	if !w.config.Silent {
		s.Dropped = w.events.Dropped
	}
	return s
}

// depth asks the broker how many messages are ready in a queue.
func (w *Worker) depth(ctx context.Context, queue string) (int, error) {
	s := w.current.Load()
	if s == nil {
		return 0, errors.New("count messages: there is no connection to the broker")
	}
	i, can := s.broker.(brokers.Inspector)
	if !can {
		return 0, errors.New("count messages: the broker does not tell")
	}
	n, _, err := i.Depth(ctx, queue)
	return n, err
}

// health looks at the worker.
func (w *Worker) health() health.Status {
	h := health.Status{Turned: w.watch.turn.Last(), Stopping: w.stopping.Load()}
	if s := w.current.Load(); s != nil {
		h.Connected, h.Consuming = true, s.taking.Load() > 0 && !h.Stopping
		if at := s.pulse.Last(); !h.Stopping && at.Before(h.Turned) {
			h.Turned, h.Loop = at, "loop that starts tasks when they are due"
		}
	}
	p := w.pool.Load()
	if p == nil {
		return h
	}
	size := (*p).Size()
	h.Slots = w.slots(*p, size)
	if w.options.Metrics == nil {
		return h
	}
	h.Started, h.Finished = moment(&w.watch.began), moment(&w.watch.freed)
	now := time.Now()
	w.memory.all(func(a *attempt) { count(&h, a, now) })
	if size == 0 { // on somebody's word: what waits is not to be started
		h.Waiting, h.Oldest = 0, time.Time{}
	}
	return h
}

// slots are the places that a pool can use now.
func (w *Worker) slots(p pool.Pool, size int) int {
	switch w.config.Pool {
	case "prefork":
		return min(size, len(p.PIDs()))
	case "green":
		if len(p.PIDs()) == 0 {
			return 0
		}
	}
	return size
}

// count puts an attempt that is in the pool, or on its way there, into a status.
func count(h *health.Status, a *attempt, now time.Time) {
	stage := a.stage.Load()
	if stage < queued || a.task == nil || a.task.attended != nil || a.left.Load() {
		return
	}
	since := moment(&a.since)
	if stage == queued {
		h.Waiting++
		if h.Oldest.IsZero() || since.Before(h.Oldest) {
			h.Oldest = since
		}
		return
	}
	h.Busy++
	soft, hard := a.job.Limits() // settled before it was queued
	if hard == 0 {
		hard = soft
	}
	if late := since.Add(hard); hard > 0 && now.After(late) {
		h.Overdue++
		if late.After(h.Late) {
			h.Late = late
		}
	}
}

// moment is the time of so many ns since 1970; 0 is none.
func moment(ns *atomic.Int64) time.Time {
	if n := ns.Load(); n != 0 {
		return time.Unix(0, n)
	}
	return time.Time{}
}
