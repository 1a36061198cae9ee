package beat

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"taskbench/brokers"
)

// A Runner sends the ticks of a schedule.
type Runner struct {
	cfg     Config
	log     *slog.Logger
	tenancy *tenancy
	lock    *book // nil without a lock
	store   *book

	// Of Run's goroutine alone.
	broker  brokers.Broker // nil: not connected
	entries []Entry        // as loaded last
	tenure  int64          // that items belong to; 0: there are none
	items   map[string]*item
	queue   queue
	later   map[*item]time.Duration // failed ones: when to try again, by the steady clock
	outage  int                     // how many batches in a row have failed whole
	retry   time.Duration           // when to try the next batch
	success time.Duration           // when the broker took something last
	flushed time.Duration           // when books were settled last
	watch   watch

	mu    sync.Mutex
	stats Stats
}

// New makes a runner; it starts nothing. The error joins all that is wrong with the config.
func New(c Config) (*Runner, error) {
	if err := c.setDefaults(); err != nil {
		return nil, fmt.Errorf("make beat: %w", err)
	}
	r := &Runner{cfg: c, log: c.Log, store: &book{to: c.Store, what: "store", log: c.Log}}
	r.tenancy = &tenancy{lock: c.Lock, lease: c.Lease, clock: c.Clock, log: c.Log, turned: make(chan struct{}, 1)}
	if c.Lock != nil {
		r.lock = &book{what: "lock", log: c.Log} // to is set with each tenure
	}
	return r, nil
}

// Stats returns the counts of now. It may be called at any time.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

func (r *Runner) count(f func(*Stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

// Run sends what is due until ctx ends, and then returns nil: what is being sent is sent, the marks are written, and
// the lock is given up. It returns an error only where the schedule cannot be loaded at the start. Lost brokers, locks
// and stores are logged and waited for. Run is called once.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	changes := make(chan []Entry)
	behind, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { r.refresh(behind, changes) })
	if r.cfg.Lock != nil {
		group.Go(func() { r.tenancy.keep(behind) })
	}
	defer func() {
		r.settle(ctx)
		stop()
		group.Wait()
		r.tenancy.release()
		r.disconnect()
	}()
	for ctx.Err() == nil {
		pause := r.step(ctx)
		if pause <= 0 {
			select {
			case entries := <-changes:
				r.change(ctx, entries)
			default:
			}
			continue
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.tenancy.turned:
		case entries := <-changes:
			r.change(ctx, entries)
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// load reads the schedule for the first time.
func (r *Runner) load(ctx context.Context) error {
	entries, _, err := r.cfg.Store.Load(ctx)
	var some EntryError
	if errors.As(err, &some) {
		r.log.Error("entries are left out", "error", err)
	} else if err != nil {
		return fmt.Errorf("load the schedule: %w", err)
	}
	r.entries = entries
	return nil
}

// refresh looks for changes of the schedule until ctx ends.
func (r *Runner) refresh(ctx context.Context, changes chan<- []Entry) {
	told := ""
	tick := time.NewTicker(r.cfg.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		entries, changed, err := r.cfg.Store.Load(ctx)
		said := ""
		var some EntryError
		if err != nil && ctx.Err() == nil {
			if said = err.Error(); said != told {
				text := "cannot load the schedule again: going on with the one there is"
				if errors.As(err, &some) {
					text = "entries are left out"
				}
				r.log.Error(text, "error", err)
			}
		}
		told = said
		if !changed || err != nil && !errors.As(err, &some) {
			continue
		}
		select {
		case changes <- entries:
		case <-ctx.Done():
			return
		}
	}
}

// step does what is to be done now, and returns how long to sleep then; 0 where there may be more to do.
func (r *Runner) step(ctx context.Context) time.Duration {
	wall, steady := r.cfg.Clock()
	by := r.watch.look(wall, steady, r.log)
	tenure, _ := r.tenancy.left()
	switch {
	case tenure == 0:
		if r.tenure != 0 {
			r.log.Warn("the lock is lost: this beat does not fire any more")
			r.retire()
		}
		return r.cfg.MaxInterval
	case tenure != r.tenure:
		r.retire()
		if err := r.lead(ctx, tenure, wall); err != nil {
			r.log.Error("cannot read what was sent before: trying again", "error", err)
			return r.cfg.MaxInterval
		}
	case by < 0:
		r.putBack(-by)
	}
	if r.owing() && steady-r.flushed >= time.Second {
		r.flushed = steady
		r.settle(ctx)
	}
	r.release(func(it *item) bool { return r.later[it] <= steady })
	if r.outage > 0 && steady < r.retry {
		return min(r.retry-steady, r.cfg.MaxInterval)
	}
	batch := r.take(wall)
	if len(batch) == 0 && r.outage > 0 {
		// Nothing else is left to try the broker with: but not what others have overtaken, whose fault is its own.
		r.release(func(it *item) bool { return it.since >= r.success })
		batch = r.take(wall)
	}
	if len(batch) == 0 {
		pause := r.cfg.MaxInterval
		if len(r.queue) > 0 {
			pause = min(pause, r.queue[0].due.Sub(wall))
		}
		for _, at := range r.later {
			pause = min(pause, at-steady)
		}
		if r.broker != nil || r.outage > 0 {
			return pause
		}
		r.getReady(ctx, pause)
		_, now := r.cfg.Clock()
		return max(pause-(now-steady), time.Nanosecond)
	}
	r.fire(ctx, batch, wall)
	return 0
}

// most is how many ticks are sent at a time. During an outage one is enough to see that it is over.
const most = 256

// take returns the items that are due.
func (r *Runner) take(wall time.Time) []*item {
	limit := most
	if r.outage > 0 {
		limit = 1
	}
	var batch []*item
	for len(batch) < limit && len(r.queue) > 0 && !r.queue[0].due.After(wall) {
		batch = append(batch, heap.Pop(&r.queue).(*item))
	}
	return batch
}

// put gives an item back to the queue, unless it has no more ticks.
func (r *Runner) put(it *item) {
	if it.index < 0 && !it.due.IsZero() {
		heap.Push(&r.queue, it)
	}
}

// release gives items that failed back to the queue.
func (r *Runner) release(which func(*item) bool) {
	for it := range r.later {
		if which(it) {
			delete(r.later, it)
			r.put(it)
		}
	}
}
