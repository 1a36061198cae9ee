package worker

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

// A schedule holds the attempts of one session that are not due yet, the next one first.
type schedule struct {
	mu      sync.Mutex
	waiting byDue
	closed  bool
	changed chan struct{} // of one
}

type byDue []*attempt

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *byDue) Push(x any)        { *h = append(*h, x.(*attempt)) }
func (h *byDue) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return a
}

func (c *schedule) init() { c.changed = make(chan struct{}, 1) }

// add puts an attempt on the schedule until it is due, unless that is closed.
func (c *schedule) add(a *attempt, due time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	a.due = due
	heap.Push(&c.waiting, a)
	c.nudge()
	return true
}

// close returns what is on the schedule; nothing more is taken.
func (c *schedule) close() []*attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.waiting
	c.waiting, c.closed = nil, true
	return rest
}

// due takes out what is due by now, and says how long the next one has to wait and how many wait.
func (c *schedule) due(now time.Time) (ready []*attempt, wait time.Duration, waiting int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > 0 {
		if wait = c.waiting[0].due.Sub(now); wait > 0 {
			break
		}
		ready = append(ready, heap.Pop(&c.waiting).(*attempt))
	}
	return ready, wait, len(c.waiting)
}

// len is how many wait.
func (c *schedule) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// nudge has the schedule look at itself again.
func (c *schedule) nudge() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// followSchedule runs attempts when they are due, until ctx ends; the rest then goes back to the broker. Attempts on
// the schedule do not count against the prefetch: it is raised for them, up to the limit. Beyond that the worker takes no
// more, and says so.
func (s *session) followSchedule(ctx, settle context.Context) {
	w := s.worker
	defer w.lanes.Done()
	set := int(w.prefetch.Load())
	full := false
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for ctx.Err() == nil {
		ready, wait, waiting := s.schedule.due(w.now())
		for _, a := range ready {
			w.lanes.Add(1)
			go func() {
				defer w.lanes.Done()
				s.proceed(ctx, settle, a)
			}()
		}
		base := int(w.prefetch.Load())
		if want := base + raise(waiting, base, w.config.ETALimit); want != set {
			set = want
			if err := s.setPrefetch(set); err != nil {
				s.failed(fmt.Sprintf("change the prefetch to %d", set), err)
			}
		}
		switch places := set * int(s.taking.Load()); {
		case !full && places > 0 && waiting >= places:
			full = true
			w.log.Warn("tasks with a time to come take up all of the prefetch: no others are taken until one of them is due; raise --eta-task-limit", "worker", w.config.Name, "held", waiting, "limit", w.config.ETALimit, "due_in", wait)
		case waiting <= w.config.ETALimit/2: // not at once, or it would be said of every task that is due
			full = false
		}
		if waiting == 0 || wait > pulseEvery {
			wait = pulseEvery
		}
		timer.Reset(wait)
		s.pulse.Touch()
		select {
		case <-timer.C:
		case <-s.schedule.changed:
		case <-ctx.Done():
		}
	}
	for _, a := range s.schedule.close() {
		s.giveBack(settle, a)
	}
}

// raise is what the prefetch gains for so many waiting attempts: whole multiples of it, so that it changes seldom,
// and no more than the limit and AMQP allow.
func raise(waiting, prefetch, limit int) int {
	steps := (min(waiting, limit) + prefetch - 1) / prefetch
	return min(steps*prefetch, 65_535-prefetch)
}
