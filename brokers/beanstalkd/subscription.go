package beanstalkd

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// subscription implements feed.Source. Two goroutines serve it: one reserves, and one keeps what is held, and sees
// that the links are alive.
type subscription struct {
	b      *broker
	queues map[string]string // by tube

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	faster chan struct{} // tells the keeper that something has a shorter time to run than the rest
	lost   chan struct{} // closed when a link has failed
	stop   chan struct{} // closed when no more is to be reserved
	idle   chan struct{} // closed when the claimer is done
	spent  chan struct{} // closed when nothing is held and nothing will be

	describing sync.WaitGroup // jobs reserved whose statistics are not there yet

	mu     sync.Mutex
	hands  []*hand
	limit  int
	next   uint64
	coming []*arrival // reserved, in their order; the first is not known in full
	buffer []*arrival // known, and not yet taken
	holds  map[uint64]*hold
	pace   time.Duration // of the keeper
	ended  bool
	last   bool // nothing will be held that is not held now
	err    error
}

// A hand is a connection that holds messages: what one has reserved no other can settle. While it waits for a message
// it can do nothing else, so only an empty one waits.
type hand struct {
	*link
	held    int
	dropped bool // the subscription does not need it yet, or any more
}

// A hold is a message that is reserved and not settled.
type hold struct {
	id       uint64
	hand     *hand
	queue    string // "" until it is known
	priority uint32
	ttr      time.Duration
	renewed  time.Time
}

// An arrival is a message that nobody has looked at yet.
type arrival struct {
	tag      uint64
	job      []byte
	queue    string
	priority uint32
	again    bool // it has been reserved before
	known    bool // all of this
	gone     bool // before it was known
}

func newSubscription(b *broker, prefetch int) *subscription {
	return &subscription{
		b: b, queues: map[string]string{}, limit: bound(prefetch), next: 1, holds: map[uint64]*hold{}, pace: renewal(b.set.ttr),
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1), faster: make(chan struct{}, 1),
		lost: make(chan struct{}), stop: make(chan struct{}), idle: make(chan struct{}), spent: make(chan struct{}),
	}
}

// newHand connects once more. What goes wrong before the hand can be used is its own affair, and not the subscription's.
func (s *subscription) newHand(ctx context.Context) (*hand, error) {
	h := &hand{dropped: true}
	l, err := dial(ctx, s.b.set.addr, func(err error) { s.handLost(h, err) })
	if err != nil {
		return nil, err
	}
	if err := l.watchOnly(ctx, slices.Sorted(maps.Keys(s.queues))); err != nil {
		l.fail(err)
		return nil, brokers.Refusef("watch tubes: %w", err) // nothing was reserved
	}
	h.link = l
	if err := s.use(h); err != nil {
		l.fail(err)
		return nil, err
	}
	return h, nil
}

// use has a hand be the subscription's, as long as both are well.
func (s *subscription) use(h *hand) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if err := h.failed(); err != nil {
		return brokers.Refuse(err)
	}
	h.dropped = false
	s.hands = append(s.hands, h)
	return nil
}

func (s *subscription) handLost(h *hand, err error) {
	s.mu.Lock()
	dropped := h.dropped
	s.mu.Unlock()
	if !dropped {
		s.lose(err)
	}
}

// Take implements feed.Source. The decoding is done here and not by those who read from the links.
func (s *subscription) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	arrived := s.buffer
	s.buffer = nil
	s.mu.Unlock()
	for _, a := range arrived {
		buf = append(buf, feed.Item{Tag: a.tag, Message: decode(a.queue, a.job, a.priority), Redelivered: a.again})
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
	s.describing.Wait()
	s.mu.Lock()
	for _, a := range s.buffer {
		unseen = append(unseen, a.tag)
	}
	s.buffer = nil
	s.last = true
	s.checkSpent()
	s.mu.Unlock()
	s.giveBack(unseen)
}

// halt stops the reserving. It may be called more than once.
func (s *subscription) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.stop)
	}
}

// lose ends the subscription because of err, and all of its links, so that what it holds goes back.
func (s *subscription) lose(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = err
	close(s.lost)
	hands := s.hands
	s.hands = nil
	s.mu.Unlock()
	for _, h := range hands {
		h.fail(err)
	}
	s.b.subs.Remove(s)
}

func (s *subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// close ends the subscription with its broker, once what was sent has been answered.
func (s *subscription) close(ctx context.Context) {
	s.halt()
	s.mu.Lock()
	hands := slices.Clone(s.hands)
	s.mu.Unlock()
	var all sync.WaitGroup
	for _, h := range hands {
		all.Go(func() { _, _ = h.do(ctx, command(nil, "list-tube-used")) }) // its outcome changes nothing
	}
	all.Wait()
	s.lose(brokers.ErrClosed)
}

func (s *subscription) look(tag uint64) (*hold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, brokers.Refusef("its consumer has ended, and it went back: %w", s.err)
	}
	h := s.holds[tag]
	if h == nil {
		return nil, errGone
	}
	return h, nil
}

// forget makes room: the message is settled, or not ours any more.
func (s *subscription) forget(tag uint64) {
	s.mu.Lock()
	if h := s.holds[tag]; h != nil {
		delete(s.holds, tag)
		h.hand.held--
		s.checkSpent()
	}
	s.mu.Unlock()
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
