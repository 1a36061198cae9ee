package beat

import (
	"container/heap"
	"context"
	"time"

	"taskbench/worker/beat/schedule"
)

// lead begins a tenure: with the entries as they are and the marks that the one before has left.
func (r *Runner) lead(ctx context.Context, tenure int64, wall time.Time) error {
	marks := map[string]Mark{}
	memories := []Memory{r.cfg.Store}
	if r.cfg.Lock != nil {
		r.lock.to = tenured{r.cfg.Lock, tenure}
		memories = append(memories, r.lock.to) // it knows better
	}
	for _, memory := range memories {
		ctx, cancel := context.WithTimeout(ctx, writing)
		known, err := memory.Recall(ctx)
		cancel()
		if err != nil {
			return err
		}
		for _, m := range known {
			marks[m.Name] = m
		}
	}
	r.tenure, r.items, r.queue, r.later = tenure, map[string]*item{}, nil, map[*item]time.Duration{}
	r.outage, r.retry = 0, 0
	var fresh []Mark
	for _, e := range r.entries {
		m := marks[e.Name]
		if !e.Disabled {
			delete(marks, e.Name)
			fresh = r.enlist(e, m, wall, fresh)
		}
	}
	for name := range marks { // of entries that are gone or disabled
		fresh = append(fresh, Mark{Name: name})
	}
	r.note(ctx, fresh)
	r.count(func(s *Stats) { s.Leading, s.Entries = true, len(r.items) })
	r.log.Info("beat fires", "entries", len(r.items))
	return nil
}

// retire ends a tenure. What was due stays due, for whoever comes next.
func (r *Runner) retire() {
	r.tenure, r.items, r.queue, r.later = 0, nil, nil, nil
	if r.lock != nil {
		r.lock.forget() // it is not ours to write any more
	}
	r.count(func(s *Stats) { s.Leading, s.Entries = false, 0 })
}

// enlist puts an entry to work, and appends its mark to those to be written if that is another one now.
func (r *Runner) enlist(e Entry, m Mark, wall time.Time, fresh []Mark) []Mark {
	was := m
	tried := time.Time{}
	if !m.Claim.IsZero() {
		if m.Claim.After(m.Last) && (m.Schedule == "" || m.Schedule == e.Schedule.String()) {
			r.count(func(s *Stats) { s.Doubtful++ })
			r.log.Warn("a beat ended while it was sending: nobody knows whether the tick was sent", "entry", e.Name, "scheduled", m.Claim,
				"id", TickID(e.Name, m.Claim), "sent again", r.cfg.Resend)
			if tried = m.Claim; !r.cfg.Resend {
				m.Last, tried = m.Claim, time.Time{}
				m.Done = m.Done || e.OneOff
			}
		}
		m.Claim = time.Time{}
	}
	it, err := newItem(e, m, wall)
	if err == nil {
		if it.tried = tried; !tried.IsZero() {
			err = it.aim()
		}
	}
	if err != nil {
		r.log.Error("an entry cannot be scheduled, and is left out", "entry", e.Name, "error", err)
		return fresh
	}
	r.items[e.Name] = it
	r.put(it)
	if it.mark != was && tried.IsZero() || it.mark.Done { // a store may not know yet that it is over
		fresh = append(fresh, it.mark)
	}
	return fresh
}

// change takes over a schedule that is another one now.
func (r *Runner) change(ctx context.Context, entries []Entry) {
	r.entries = entries
	if tenure, _ := r.tenancy.left(); tenure == 0 || tenure != r.tenure {
		return // they are used when this beat leads
	}
	wall, _ := r.cfg.Clock()
	var fresh []Mark
	kept := make(map[string]*item, len(entries))
	for _, e := range entries {
		it := r.items[e.Name]
		if e.Disabled || e.Schedule == nil {
			continue
		}
		if it == nil || it.mark.Done {
			delete(r.items, e.Name)
			var m Mark
			if it != nil {
				m = it.mark
			}
			fresh = r.enlist(e, m, wall, fresh)
			if it = r.items[e.Name]; it == nil {
				continue
			}
		} else if it.text != e.Schedule.String() {
			r.remove(it)
			m := it.mark
			m.Claim = time.Time{}
			if fresh = r.enlist(e, m, wall, fresh); r.items[e.Name] == it {
				continue // it cannot be scheduled
			}
			it = r.items[e.Name]
		} else {
			it.Entry = e
			r.remove(it)
			if err := it.anchor(wall); err == nil {
				_ = it.aim() // the schedule is the one that worked before
			}
			r.put(it)
		}
		kept[e.Name] = it
		delete(r.items, e.Name)
	}
	for name, it := range r.items {
		r.remove(it)
		fresh = append(fresh, Mark{Name: name})
	}
	r.items = kept
	r.note(ctx, fresh)
	r.count(func(s *Stats) { s.Entries = len(kept) })
	r.log.Info("the schedule has changed", "entries", len(kept))
}

func (r *Runner) remove(it *item) {
	delete(r.later, it)
	if it.index >= 0 {
		heap.Remove(&r.queue, it.index)
	}
}

// putBack keeps intervals at their pace when the clock was put back.
func (r *Runner) putBack(by time.Duration) {
	for _, it := range r.items {
		if err := it.putBack(by); err != nil {
			r.log.Error("an entry cannot be scheduled", "entry", it.Name, "error", err)
		}
	}
	heap.Init(&r.queue)
}

// tellMissed says what the policy has left out.
func (r *Runner) tellMissed(it *item, n int, p schedule.CatchUp) {
	if n == 0 {
		return
	}
	r.count(func(s *Stats) { s.Missed += int64(n) })
	r.log.Warn("ticks were missed and are not made up", "entry", it.Name, "ticks", n, "policy", string(p))
}
