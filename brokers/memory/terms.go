package memory

import (
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// terms are the times at which a subscription loses what it holds. The engine's lock guards them.
type terms struct {
	order []term    // as taken; some of it may be settled
	lease time.Time // the end of it
	timer *time.Timer
	rings time.Time // when the timer does; zero: it is not set
}

type term struct {
	tag   uint64
	taken time.Time
}

// Why a subscription is ended from the engine's side.
var (
	errLease   = brokers.Refusef("the consumer's lease ran out: nothing was heard of its connection")
	errTimeout = brokers.Refusef("the consumer was ended: it has held a delivery unsettled for longer than the consumer timeout")
)

// begin starts the first lease.
func (s *subscription) begin() {
	if s.rules.Lease > 0 {
		s.terms.lease = time.Now().Add(s.rules.Lease)
		s.watch()
	}
}

// renew is a sign of life.
func (s *subscription) renew() {
	if s.rules.Lease == 0 {
		return
	}
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.terms.lease = time.Now().Add(s.rules.Lease) // the timer finds out when it rings
}

// next is when something is to be done next; zero for never.
func (s *subscription) next() (at time.Time) {
	t := &s.terms
	soonest := func(end time.Time) {
		if at.IsZero() || end.Before(at) {
			at = end
		}
	}
	if s.rules.Lease > 0 {
		soonest(t.lease)
	}
	for len(t.order) > 0 && s.held[t.order[0].tag] == nil {
		t.order = t.order[1:]
	}
	if len(t.order) > 0 {
		for _, d := range []time.Duration{s.rules.Visibility, s.rules.ConsumerTimeout} {
			if d > 0 {
				soonest(t.order[0].taken.Add(d))
			}
		}
	}
	return at
}

// watch sets the timer, unless it rings soon enough.
func (s *subscription) watch() {
	t := &s.terms
	at := s.next()
	if at.IsZero() || !t.rings.IsZero() && !at.Before(t.rings) {
		return
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.rings = at
	t.timer = time.AfterFunc(time.Until(at), s.lapse)
}

// lapse takes from the subscription what it has held for too long.
func (s *subscription) lapse() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	t := &s.terms
	t.rings = time.Time{}
	if s.engine.closed() || s.over {
		return
	}
	now := time.Now()
	if s.rules.Lease > 0 && !now.Before(t.lease) {
		s.lose(errLease)
		return
	}
	for !s.next().IsZero() && len(t.order) > 0 {
		first := t.order[0]
		if d := s.rules.ConsumerTimeout; d > 0 && !now.Before(first.taken.Add(d)) {
			s.lose(errTimeout)
			return
		}
		if d := s.rules.Visibility; d == 0 || now.Before(first.taken.Add(d)) {
			break
		}
		s.drop(first.tag, s.held[first.tag], feed.Requeue)
		if !s.ended {
			s.signal()
		}
	}
	s.watch()
}

// lose ends the subscription from the engine's side.
func (s *subscription) lose(cause error) {
	s.release()
	s.cause = cause
	close(s.lost)
}

// abandon is the loss of the connection: what was held comes back at once or, with a lease, at its end.
func (s *subscription) abandon() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.leave()
	if s.rules.Lease == 0 || len(s.held) == 0 {
		s.release()
	}
}
