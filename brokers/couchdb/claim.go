package couchdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers/feed"
)

const (
	most      = 100     // messages claimed at once
	mostBytes = 4 << 20 // the same, unless one message is larger
	guess     = 64 << 10
)

// claim fills the inbox as slots become free, until the subscription is halted or its holder is lost.
func (s *subscription) claim() {
	defer close(s.idle)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for !s.halted() {
		want := s.want()
		if want <= 0 {
			select {
			case <-s.room:
			case <-s.stop:
			case <-s.holder.lost:
			}
			continue
		}
		select {
		case <-s.knock: // whatever it was about, the look will see
		default:
		}
		picked, wait := s.holder.index.pick(s.begins, want)
		if len(picked) > 0 {
			got, err := s.holder.claim(picked)
			s.take(got)
			if err != nil {
				s.holder.lose(fmt.Errorf("claim from couchdb: %w", err))
				return
			}
			continue
		}
		feed.Signal(s.holder.hungry)
		if wait < 0 {
			wait = time.Hour
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-s.knock:
		case <-s.stop:
		case <-s.holder.lost:
		}
	}
}

func (s *subscription) halted() bool {
	select {
	case <-s.stop:
		return true
	case <-s.holder.lost:
		return true
	default:
		return false
	}
}

// want is how many to claim: no more than some bytes, by what messages weighed lately.
func (s *subscription) want() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	weight := s.weight
	if weight == 0 {
		weight = guess
	}
	return min(s.limit-len(s.holds)+s.settling, most, max(mostBytes/weight, 1))
}

// take keeps what was claimed.
func (s *subscription) take(got []document) {
	if len(got) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	size := 0
	for _, d := range got {
		size += d.size()
		s.holds[s.next] = d
		s.inbox = append(s.inbox, s.next)
		s.next++
	}
	s.weight = size / len(got)
	feed.Signal(s.filled)
}

// claim reads the messages that were picked, and writes them back with this holder's name: the revision that is replaced
// must be the one that was read, so that one alone can have each. With an error, what it says of none is not known.
func (h *holder) claim(picked []*entry) (got []document, err error) {
	ids := make([]string, len(picked))
	for i, e := range picked {
		ids[i] = e.id
	}
	found, err := h.link.fetch(context.Background(), ids)
	if err != nil {
		return nil, err
	}
	docs := make([]document, 0, len(ids))
	for _, id := range ids {
		switch d, there := found[id]; {
		case !there:
			h.index.forget(id)
		case d.Holder != "":
			h.index.leave(id, d.Rev, d.Holder)
		default:
			d.Holder = h.id
			docs = append(docs, d)
		}
	}
	revs, errs := h.link.store(docs)
	for i, d := range docs {
		switch {
		case errs[i] == nil:
			d.Rev = revs[i]
			got = append(got, d)
		case errors.Is(errs[i], errConflict):
			h.index.release(d.ID)
		default:
			err = errs[i]
		}
	}
	return got, err
}
