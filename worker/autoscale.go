package worker

import (
	"context"
	"fmt"
	"time"

	"taskbench/worker/pool"
)

// scaled tells whether the concurrency follows the work.
func (w *Worker) scaled() bool { return w.config.Autoscale != (Autoscale{}) }

// How often the work is looked at, and how long the pool must have been no larger than it has to be before it
// shrinks: children that come and go cost more than idle ones.
const (
	scaleLook = time.Second
	scaleKeep = 30 * time.Second
)

// autoscale has the pool follow the work until ctx ends: as many places as there are tasks in hand that may run, grown
// to at once, and shrunk to once that has been too many for a while.
func (w *Worker) autoscale(ctx context.Context) {
	tick := time.NewTicker(scaleLook)
	defer tick.Stop()
	needed := time.Now() // when the present size was
	for {
		size, wanted := (*w.pool.Load()).Size(), w.wanted()
		if wanted >= size {
			needed = time.Now()
		}
		if wanted > size || wanted < size && time.Since(needed) >= scaleKeep {
			needed = time.Now()
			if err := w.manager().Resize(wanted); err != nil {
				w.log.Warn("autoscale failed", "worker", w.config.Name, "places", wanted, "err", err)
			} else {
				w.log.Info("autoscale", "worker", w.config.Name, "from", size, "to", wanted)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// wanted is how many places the work asks for, within the bounds.
func (w *Worker) wanted() int {
	n := 0
	w.memory.all(func(a *attempt) {
		if a.stage.Load() >= queued {
			n++
		}
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return min(max(n, w.bounds.Min, 1), w.bounds.Max)
}

// rescale moves the bounds; below 0 leaves one as it is.
func (w *Worker) rescale(most, least int) (Autoscale, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.bounds
	if most >= 0 {
		b.Max = most
		if least < 0 {
			b.Min = min(b.Min, most)
		}
	}
	if least >= 0 {
		b.Min = least
		if most < 0 {
			b.Max = max(b.Max, least)
		}
	}
	if places := pool.Most(w.config.Pool); b.Max < 1 || b.Max < b.Min || b.Max > places {
		return w.bounds, fmt.Errorf("from %d to %d: want a maximum from 1 to %d, and not below the minimum", b.Min, b.Max, places)
	}
	w.bounds = b
	return b, nil
}

// scaleStats is what monitors show of it.
func (w *Worker) scaleStats() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return map[string]int{"max": w.bounds.Max, "min": w.bounds.Min, "current": (*w.pool.Load()).Size(), "qty": w.memory.inHand()}
}
