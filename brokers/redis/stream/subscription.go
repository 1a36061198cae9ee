package stream

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

// unbounded is the bound that stands for a prefetch of 0.
const unbounded = 1000

// subscription implements feed.Source. Four goroutines serve it: one claims, one has the server ring when there is
// something to claim, one keeps the lease, which outlives the others while something is held, and one moves what was
// delayed and is due.
type subscription struct {
	b      *broker
	id     string // the consumer's name in the groups
	queues []string
	names  string // of the queues, as JSON
	bell   *goredis.Conn

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	knock  chan struct{} // tells the claimer that there is something to take
	lost   chan struct{} // closed when the link has failed
	stop   chan struct{} // closed when no more is to be claimed
	idle   chan struct{} // closed when the claimer is done
	spent  chan struct{} // closed when nothing is held and nothing will be

	claiming sync.Mutex  // by who claims, from the making of a claim until what it brought is taken in
	plenty   atomic.Bool // the last claim brought all that it wanted

	mu     sync.Mutex
	limit  int
	next   uint64  // tag of the next hold
	turn   int     // place in queues of the one that is first to be served
	buffer []entry // claimed and not yet taken
	holds  map[uint64]hold
	ended  bool
	err    error
}

// A hold is what is needed to settle a message.
type hold struct {
	queue, stream, id string
}

// An entry is a message as it came.
type entry struct {
	tag        uint64
	queue      string
	fields     []any // names and values in turn
	deliveries int64
}

func newSubscription(b *broker, queues []string, prefetch int) *subscription {
	names, _ := json.Marshal(queues) // strings always can
	return &subscription{
		b: b, id: kombu.Identity(), queues: slices.Clone(queues), names: string(names), bell: b.link.Client.Conn(), limit: bound(prefetch), next: 1,
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1), knock: make(chan struct{}, 1),
		lost: make(chan struct{}), stop: make(chan struct{}), idle: make(chan struct{}), spent: make(chan struct{}),
		holds: map[uint64]hold{},
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
	entries := s.buffer
	s.buffer = nil
	s.mu.Unlock()
	for _, e := range entries {
		buf = append(buf, feed.Item{Tag: e.tag, Message: e.message(), Redelivered: e.deliveries > 1})
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
	signal(s.room)
	return nil
}

// End implements feed.Source.
func (s *subscription) End(unseen []uint64) {
	s.halt()
	<-s.idle
	s.claiming.Lock() // a claim may have gone along with an acknowledgement
	s.mu.Lock()
	for _, e := range s.buffer {
		unseen = append(unseen, e.tag)
	}
	s.buffer = nil
	s.mu.Unlock()
	s.claiming.Unlock()
	s.giveBack(unseen, false)
}

// halt stops the claiming. It may be called more than once.
func (s *subscription) halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended = true
		close(s.stop)
		s.checkSpent()
	}
}

// halted tells whether no more is to be claimed.
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
	}
}

func (s *subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *subscription) look(tag uint64) (hold, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.holds[tag]
	return h, ok
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
	if err != nil && !errors.Is(err, errGone) {
		s.lose(err)
	}
	signal(s.room)
}

// checkSpent is called with mu held.
func (s *subscription) checkSpent() {
	if s.ended && len(s.holds) == 0 {
		select {
		case <-s.spent:
		default:
			close(s.spent)
		}
	}
}

// signal leaves a mark in a channel of capacity one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
