package memory

import (
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 1000

// A subscription is one consumer as the engine sees it. The engine's lock guards all but wake.
type subscription struct {
	engine   *Engine
	queues   []*queue
	turn     int // the queue that is served first next time
	prefetch int
	held     map[uint64]*item // by tag
	waiting  bool             // has room, found nothing, and is to be woken
	ended    bool             // takes no more
	over     bool             // and holds nothing: it is done with
	wake     chan struct{}

	rules Rules
	terms terms
	lost  chan struct{} // closed when the engine has ended it; cause says why
	cause error
}

var errNotHeld = brokers.Refusef("settle message: it is not held by this consumer any more")

func (s *subscription) bound(prefetch int) {
	if prefetch <= 0 {
		prefetch = unbounded
	}
	s.prefetch = prefetch
}

// signal wakes the subscription's reader; the lock is held, or the subscription nobody else's yet.
func (s *subscription) signal() {
	s.waiting = false
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// A taken is what leaves the engine with a message: a copy, because the item may go back at any time.
type taken struct {
	tag         uint64
	queue       string
	envelope    []byte
	redelivered bool
}

// take appends messages to buf, at most limit and no more than there is room for.
func (s *subscription) take(buf []taken, limit int) []taken {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	if s.ended || s.engine.closed() {
		return buf
	}
	room := s.prefetch - len(s.held)
	timed := s.rules.timed()
	var now time.Time
	if timed {
		now = time.Now()
	}
	for n := min(room, limit); n > 0; n-- {
		it := s.pop()
		if it == nil {
			s.waiting = true
			break
		}
		tag := it.tag()
		s.held[tag] = it
		it.queue.held++
		buf = append(buf, taken{tag, it.queue.name, it.envelope, it.redelivered})
		if timed {
			s.terms.order = append(s.terms.order, term{tag, now})
		}
	}
	if timed {
		s.watch()
	}
	if len(s.held) >= s.prefetch {
		s.passOn()
	}
	return buf
}

// passOn wakes others for what this subscription was woken for and cannot take.
func (s *subscription) passOn() {
	for _, q := range s.queues {
		if q.ready > 0 {
			q.wakeOne()
		}
	}
}

// pop takes one message from the queues in turn.
func (s *subscription) pop() *item {
	for range s.queues {
		q := s.queues[s.turn]
		if s.turn++; s.turn == len(s.queues) {
			s.turn = 0
		}
		if it := q.pop(); it != nil {
			return it
		}
	}
	return nil
}

func (s *subscription) setPrefetch(n int) {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.bound(n)
	s.signal()
}

func (s *subscription) settle(tag uint64, o feed.Outcome) error {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	it := s.held[tag]
	if it == nil || s.engine.closed() {
		return errNotHeld
	}
	full := len(s.held) >= s.prefetch
	s.drop(tag, it, o)
	if full && !s.ended {
		s.signal()
	}
	return nil
}

// drop lets go of a held item in the way that the outcome asks for.
func (s *subscription) drop(tag uint64, it *item, o feed.Outcome) {
	delete(s.held, tag)
	it.queue.held--
	if s.rules.timed() {
		it.holdings++
	}
	if o == feed.Requeue {
		if it.returns++; s.rules.DeliveryLimit > 0 && it.returns > s.rules.DeliveryLimit {
			o = feed.Reject
		}
	}
	switch o {
	case feed.Requeue:
		it.redelivered = true
		it.queue.giveBack(it)
	case feed.Unseen:
		it.queue.giveBack(it)
	case feed.Reject:
		it.redelivered, it.returns = false, 0
		s.engine.store(s.engine.queue(brokers.DeadLetterQueue(it.queue.name)), it)
	}
}

// end stops the taking; what is held can still be settled.
func (s *subscription) end() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.leave()
}

func (s *subscription) leave() {
	if s.ended {
		return
	}
	s.ended, s.waiting = true, false
	for _, q := range s.queues {
		q.subscriptions = slices.DeleteFunc(q.subscriptions, func(other *subscription) bool { return other == s })
	}
	s.passOn()
}

// close ends the subscription and gives back all that it holds.
func (s *subscription) close() {
	s.engine.mu.Lock()
	defer s.engine.mu.Unlock()
	s.release()
}

// release gives back all that is held, for good; the lock is held.
func (s *subscription) release() {
	s.leave()
	s.over = true
	delete(s.engine.subscriptions, s)
	if s.engine.closed() {
		return
	}
	for tag, it := range s.held {
		s.drop(tag, it, feed.Requeue)
	}
}
