package couchdb

import (
	"slices"
	"sync"
	"time"
)

// An index is what one process knows of the queues that it consumes. What it says is a hint: whose a message is, its
// revision decides.
type index struct {
	clock *clock
	wake  func() // told that there is more to claim

	mu      sync.Mutex
	shelves map[string]*shelf // by how their names begin
	starved bool              // whoever looked last found nothing
}

func newIndex(c *clock, wake func()) *index {
	return &index{clock: c, wake: wake, shelves: map[string]*shelf{}}
}

// open has queues known from now on, and tells whether any was not.
func (x *index) open(begins []string) (more bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, begin := range begins {
		if x.shelves[begin] == nil {
			x.shelves[begin] = newShelf(begin)
			more = true
		}
	}
	return more
}

// A part is some names of a queue that are to be read.
type part struct {
	shelf      *shelf
	lane       int
	after, end string
}

// short is what to read next, if anything.
func (x *index) short() (part, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.shelves {
		if lane, after, end, short := s.short(); short {
			return part{s, lane, after, end}, true
		}
	}
	return part{}, false
}

// learn takes in a part that was read.
func (x *index) learn(p part, rows []row, all bool) {
	x.mu.Lock()
	p.shelf.learn(p.lane, rows, all, time.Now())
	x.mu.Unlock()
	if len(rows) > 0 {
		x.wake()
	}
}

// note takes in changes.
func (x *index) note(rows ...row) {
	x.mu.Lock()
	now, any := time.Now(), false
	for _, r := range rows {
		p, ok := placeOf(r.id)
		if s := x.shelves[p.queue]; ok && s != nil {
			s.note(r, now)
			any = any || !r.deleted
		}
	}
	x.mu.Unlock()
	if any {
		x.wake()
	}
}

// pick makes up to n messages of the queues ours, the first of all first. Where none is ready, it tells how long it is
// until the next one is due: less than 0 when none is known.
func (x *index) pick(begins []string, n int) (picked []*entry, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.clock.time().UnixMicro()
	shelves := make([]*shelf, 0, len(begins))
	for _, begin := range begins {
		s := x.shelves[begin]
		s.ripen(now)
		if len(s.ready) > 0 {
			shelves = append(shelves, s)
		}
	}
	for len(picked) < n && len(shelves) > 0 {
		at := 0
		for i := range shelves {
			if shelves[i].ready[0].compare(shelves[at].ready[0]) < 0 {
				at = i
			}
		}
		picked = append(picked, shelves[at].take())
		if len(shelves[at].ready) == 0 {
			shelves = slices.Delete(shelves, at, at+1)
		}
	}
	if x.starved = len(picked) == 0; !x.starved {
		return picked, 0
	}
	wait = -1
	for _, begin := range begins {
		if s := x.shelves[begin]; len(s.later) > 0 {
			if d := time.Duration(s.later[0].due-now) * time.Microsecond; wait < 0 || d < wait {
				wait = max(d, 0)
			}
		}
	}
	return nil, wait
}

// wanting tells whether there is nothing to claim for somebody who would.
func (x *index) wanting() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.starved
}

// with changes the entry of a document of ours.
func (x *index) with(id string, change func(s *shelf, e *entry)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p, _ := placeOf(id)
	if s := x.shelves[p.queue]; s != nil {
		if e := s.all[id]; e != nil {
			change(s, e)
		}
	}
}

// forget is for what is not there any more.
func (x *index) forget(id string) { x.with(id, func(s *shelf, e *entry) { s.drop(e) }) }

// release is for one of ours that has turned out to be another's.
func (x *index) release(id string) {
	x.with(id, func(s *shelf, e *entry) { s.release(e, time.Now()) })
	x.wake()
}

// leave is for one of ours that was found in the hands of another. What the feed of changes has said of it since that was
// found counts more: it does not say it again.
func (x *index) leave(id, rev, by string) {
	x.with(id, func(s *shelf, e *entry) {
		if e.gone || generation(e.rev) > generation(rev) {
			s.release(e, time.Now())
			return
		}
		e.rev = rev
		s.hold(e, by, time.Now())
	})
	x.wake()
}

// giveBack is for one of ours that is to be claimed again, under a new revision.
func (x *index) giveBack(id, rev string) {
	x.with(id, func(s *shelf, e *entry) {
		if generation(rev) > generation(e.rev) {
			e.rev = rev
		}
		s.remove(e)
		s.place(e, time.Now())
	})
	x.wake()
}

// A stranger is a message in another's hands.
type stranger struct {
	id, by string // by is "" where that is not known
}

// strangers are those that have been held for a while.
func (x *index) strangers(while time.Duration) (all []stranger) {
	x.mu.Lock()
	defer x.mu.Unlock()
	limit := time.Now().Add(-while)
	for _, s := range x.shelves {
		for _, e := range s.held {
			if e.since.Before(limit) {
				all = append(all, stranger{e.id, e.by})
			}
		}
	}
	return all
}

// attribute remembers who holds a message.
func (x *index) attribute(id, by string) {
	x.with(id, func(_ *shelf, e *entry) {
		if e.state == held {
			e.by = by
		}
	})
}
