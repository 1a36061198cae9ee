package mongodb

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

const (
	unbounded     = 1000     // the bound that stands for a prefetch of 0
	largestBuffer = 32 << 20 // bytes of what is claimed and waits to be taken
)

// subscription implements feed.Source. Two goroutines serve it: one claims, and one tends the tenure, which outlives the
// claiming while something is held.
type subscription struct {
	b      *broker
	id     string
	queues []string
	tenure tenure
	lasts  time.Duration // how long what is held can be settled after the subscription was lost; 0: until it is
	forget func()        // about failed connections

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	knock  chan struct{} // tells the claimer that something was published
	lost   chan struct{} // closed when the link has failed
	stop   chan struct{} // closed when no more is to be claimed
	idle   chan struct{} // closed when the claimer is done
	spent  chan struct{} // closed when nothing is held and nothing will be

	giving sync.Mutex // by who gives back, for End and the broker's end may come at once

	mu     sync.Mutex
	limit  int
	next   uint64
	buffer []uint64 // claimed and not yet taken
	weight int      // bytes of that
	holds  map[uint64]document
	ended  bool // no more is to be claimed
	last   bool // nothing will be held that is not held now
	err    error
}

func newSubscription(b *broker, queues []string, prefetch int) *subscription {
	return &subscription{
		b: b, id: kombu.Identity(), queues: slices.Clone(queues), limit: bound(prefetch), next: 1,
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1), knock: make(chan struct{}, 1),
		lost: make(chan struct{}), stop: make(chan struct{}), idle: make(chan struct{}), spent: make(chan struct{}),
		holds: map[uint64]document{},
	}
}

func bound(prefetch int) int {
	if prefetch <= 0 {
		return unbounded
	}
	return prefetch
}

// Take implements feed.Source. The decoding is done here and not by the claimer, which meanwhile claims more.
func (s *subscription) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	tags := s.buffer
	s.buffer, s.weight = nil, 0
	docs := make([]document, len(tags))
	for i, tag := range tags {
		docs[i] = s.holds[tag]
	}
	s.mu.Unlock()
	feed.Signal(s.room)
	for i, tag := range tags {
		item := s.tenure.unpack(docs[i])
		item.Tag = tag
		buf = append(buf, item)
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (s *subscription) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	s.mu.Lock()
	s.limit = bound(n)
	s.mu.Unlock()
	feed.Signal(s.room)
	return nil
}

// End implements feed.Source.
func (s *subscription) End(unseen []uint64) {
	s.halt()
	<-s.idle
	s.mu.Lock()
	unseen = append(unseen, s.buffer...)
	s.buffer, s.weight = nil, 0
	s.last = true
	s.mu.Unlock()
	s.giveBack(unseen, feed.Unseen)
}

// close ends the subscription with its broker: all that it still holds goes back at once.
func (s *subscription) close() {
	s.lose(brokers.ErrClosed)
	s.halt()
	<-s.idle
	s.mu.Lock()
	tags := slices.Collect(maps.Keys(s.holds))
	s.last = true
	s.mu.Unlock()
	s.giveBack(tags, feed.Requeue)
	s.retire()
}

// giveBack has messages become ready again. What cannot be given back now goes back when the lease ends. Until all have their
// outcome they count as held: the lease is kept, and the broker's end waits.
func (s *subscription) giveBack(tags []uint64, o feed.Outcome) {
	s.giving.Lock()
	defer s.giving.Unlock()
	slices.Sort(tags)
	all := make([]settlement, 0, len(tags))
	s.mu.Lock()
	for _, tag := range tags {
		if d, held := s.holds[tag]; held {
			all = append(all, settlement{sub: s, doc: d, outcome: o})
		}
	}
	s.mu.Unlock()
	if len(all) > 0 {
		if err := errors.Join(s.b.layout.settle(all)...); err != nil {
			s.lose(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range tags {
		delete(s.holds, tag)
	}
	s.checkSpent()
}

// retire lets go of all that the subscription has, but for its messages.
func (s *subscription) retire() {
	s.b.subs.Remove(s)
	s.forget()
	_ = s.b.link.do(context.Background(), func(ctx context.Context) error { // left undone, the end of the lease does it
		s.tenure.leave(ctx)
		return nil
	})
}

// outlast ends a subscription that was lost, when all that it holds is settled, or has outlasted its lease.
func (s *subscription) outlast() {
	s.forget()
	s.halt()
	<-s.idle
	s.mu.Lock()
	s.last = true
	s.checkSpent()
	s.mu.Unlock()
	var over <-chan time.Time
	if s.lasts > 0 {
		timer := time.NewTimer(s.lasts)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
	case <-s.spent:
	}
	s.b.subs.Remove(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer, s.weight = nil, 0
	clear(s.holds)
}

// halt stops the claiming. It may be called more than once.
func (s *subscription) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.stop)
		neighbours.leave(s.b.link.place(), s)
	}
}

func (s *subscription) halted() bool {
	select {
	case <-s.stop:
		return true
	case <-s.lost:
		return true
	default:
		return false
	}
}

// lose ends the subscription because of err: what it holds goes back when its lease ends.
func (s *subscription) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		close(s.lost)
		neighbours.leave(s.b.link.place(), s)
	}
}

func (s *subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// free is 0, too, while what was claimed and nobody has taken yet is more than enough to keep in memory.
func (s *subscription) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.weight >= largestBuffer {
		return 0
	}
	return s.limit - len(s.holds)
}

func (s *subscription) hold(got []document) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range got {
		s.holds[s.next] = d
		s.buffer = append(s.buffer, s.next)
		s.weight += d.size()
		s.next++
	}
	feed.Signal(s.filled)
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept
// alive; only the end of that lease is sure to bring it back, so the subscription ends with it.
func (s *subscription) settled(tag uint64, err error) {
	if err != nil && brokers.Definite(err) {
		return // still held, and may be tried again
	}
	s.mu.Lock()
	delete(s.holds, tag)
	s.checkSpent()
	s.mu.Unlock()
	if err != nil {
		s.lose(err)
	}
	feed.Signal(s.room)
}

// checkSpent is called with mu held.
func (s *subscription) checkSpent() {
	if !s.last || len(s.holds) > 0 {
		return
	}
	select {
	case <-s.spent:
	default:
		close(s.spent)
	}
}

// A settlement is one outcome on its way to the server.
type settlement struct {
	sub     *subscription
	doc     document
	outcome feed.Outcome
}
