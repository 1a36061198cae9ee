package couchdb

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// A state is what can be done with a message as far as one process knows.
type state uint8

const (
	waiting state = iota // it can be claimed
	unripe               // it is not due
	held                 // it is in somebody else's hands
	ours                 // it is in ours, or about to be
	stale                // it was written by another just now: the feed of changes will say what it is
)

// An entry is one message, without its contents.
type entry struct {
	place
	id, rev string
	state   state
	base    string    // the revision when it became ours
	gone    bool      // deleted since then
	since   time.Time // held as it is; by a clock that only measures
	by      string    // who holds it, where that is known
}

func (e *entry) compare(o *entry) int {
	return cmp.Or(strings.Compare(e.key, o.key), strings.Compare(e.id, o.id))
}

func (e *entry) compareDue(o *entry) int {
	return cmp.Or(cmp.Compare(e.due, o.due), strings.Compare(e.id, o.id))
}

// A shelf is what one process knows of one queue. Names up to a horizon, one for what is ready and one for what is
// delayed, are known by reading them and by following the feed of changes from before on; those beyond are read when
// these become few. So a queue may be of any length, and the tombstones at its beginning are passed over once.
type shelf struct {
	begin string // of the names
	known [2]string
	all   map[string]*entry
	ready []*entry // as they are to come
	later []*entry // as they are due
	held  map[string]*entry
}

const (
	stock = 1000 // names read at once
	few   = 250  // when to read more
)

func newShelf(begin string) *shelf {
	return &shelf{begin: begin, known: [2]string{begin, begin + delayed}, all: map[string]*entry{}, held: map[string]*entry{}}
}

// lane is which horizon counts for a name: urgencies are digits, which come before the "d" of what is delayed.
func lane(p place) int {
	if p.due != 0 {
		return 1
	}
	return 0
}

// ends are behind all names of each lane.
func (s *shelf) end(lane int) string { return s.begin + []string{delayed, "e"}[lane] }

// short tells whether there is more to read, and from where on.
func (s *shelf) short() (lane int, after, end string, short bool) {
	for lane, n := range []int{len(s.ready), len(s.later)} {
		if end := s.end(lane); s.known[lane] != end && n < few {
			return lane, s.known[lane], end, true
		}
	}
	return 0, "", "", false
}

// learn takes in what was read of a lane; all tells that there was no more.
func (s *shelf) learn(lane int, rows []row, all bool, now time.Time) {
	if s.known[lane] = s.end(lane); !all && len(rows) > 0 {
		s.known[lane] = rows[len(rows)-1].id
	}
	for _, r := range rows {
		s.note(r, now)
	}
}

// note takes in one change.
func (s *shelf) note(r row, now time.Time) {
	e, there := s.all[r.id]
	switch {
	case there && r.deleted:
		if e.state == ours {
			e.gone = true
		} else {
			s.drop(e)
		}
	case there && generation(r.rev) > generation(e.rev):
		e.rev = r.rev
		if e.state != ours {
			s.remove(e)
			s.place(e, now)
		}
	case !there && !r.deleted:
		p, ok := placeOf(r.id)
		if !ok || r.id > s.known[lane(p)] {
			return // none of ours, or read later
		}
		e := &entry{place: p, id: r.id, rev: r.rev}
		s.all[r.id] = e
		s.place(e, now)
	}
}

// place puts an entry where its revision says.
func (s *shelf) place(e *entry, now time.Time) {
	e.by = ""
	switch {
	case isHeld(e.rev):
		s.hold(e, "", now)
	case e.due != 0:
		e.state = unripe
		at, _ := slices.BinarySearchFunc(s.later, e, (*entry).compareDue)
		s.later = slices.Insert(s.later, at, e)
	default:
		s.offer(e)
	}
}

func (s *shelf) offer(e *entry) {
	e.state = waiting
	at, _ := slices.BinarySearchFunc(s.ready, e, (*entry).compare)
	s.ready = slices.Insert(s.ready, at, e)
}

// hold puts an entry among those that somebody else has.
func (s *shelf) hold(e *entry, by string, now time.Time) {
	e.state, e.since, e.by = held, now, by
	s.held[e.id] = e
}

// remove takes an entry from where it is.
func (s *shelf) remove(e *entry) {
	switch e.state {
	case waiting:
		if at, there := slices.BinarySearchFunc(s.ready, e, (*entry).compare); there {
			s.ready = slices.Delete(s.ready, at, at+1)
		}
	case unripe:
		if at, there := slices.BinarySearchFunc(s.later, e, (*entry).compareDue); there {
			s.later = slices.Delete(s.later, at, at+1)
		}
	case held:
		delete(s.held, e.id)
	}
}

func (s *shelf) drop(e *entry) {
	s.remove(e)
	delete(s.all, e.id)
}

// ripen makes ready what is due.
func (s *shelf) ripen(micros int64) {
	n := 0
	for n < len(s.later) && s.later[n].due <= micros {
		n++
	}
	due := slices.Clone(s.later[:n])
	s.later = slices.Delete(s.later, 0, n)
	for _, e := range due {
		s.offer(e)
	}
}

// take makes the first entry that is ready ours.
func (s *shelf) take() *entry {
	e := s.ready[0]
	s.ready[0] = nil
	s.ready = s.ready[1:]
	e.state, e.base = ours, e.rev
	return e
}

// release lets go of one of ours that we could not keep: it is what has been heard of it since, if anything has.
func (s *shelf) release(e *entry, now time.Time) {
	switch {
	case e.gone:
		s.drop(e)
	case generation(e.rev) > generation(e.base):
		s.place(e, now)
	default:
		e.state = stale
	}
}
