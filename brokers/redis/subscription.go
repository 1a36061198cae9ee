package redis

import (
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
)

// unbounded is the bound that stands for a prefetch of 0.
const unbounded = 1000

// subscription implements feed.Source. Four goroutines serve it: one claims, one listens for wake-ups, one keeps
// the lease, which outlives the others while something is held, and one moves what was delayed and is due.
type subscription struct {
	b      *broker
	id     string
	held   string // key of the set of what it holds
	queues []string
	wakes  *goredis.PubSub

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	knock  chan struct{} // tells the claimer that something was published
	lost   chan struct{} // closed when the link has failed
	stop   chan struct{} // closed when no more is to be claimed
	idle   chan struct{} // closed when the claimer is done
	spent  chan struct{} // closed when nothing is held and nothing will be

	claiming sync.Mutex  // by who claims, from the making of a claim until what it brought is taken in
	plenty   atomic.Bool // the last claim brought all that it wanted

	mu     sync.Mutex
	limit  int
	next   uint64    // sequence number of the next hold
	turn   int       // place in queues of the one that is first to be served
	last   time.Time // when a claim last brought something
	buffer []uint64  // claimed and not yet taken
	holds  map[uint64]hold
	ended  bool
	err    error
}

// A hold is what is needed to give a message back.
type hold struct {
	queue string
	raw   string
}

func (h hold) list() string {
	m, _ := kombu.Decode(h.queue, h.raw)
	return keys.ListOf(h.queue, m.Priority)
}

func newSubscription(b *broker, queues []string, prefetch int) *subscription {
	id := kombu.Identity()
	return &subscription{
		b: b, id: id, held: heldPrefix + id, queues: slices.Clone(queues), limit: bound(prefetch), next: 1, last: time.Now(),
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

func (s *subscription) start() {
	go s.claim()
	go s.listen()
	go s.keep()
	go s.b.delays.Move(s.stop, s.lost, func() { signal(s.knock) })
}

// name is the field of a booking: unlike a publisher's delivery tag it needs no parsing and never repeats.
func (s *subscription) name(tag uint64) string { return s.id + ":" + strconv.FormatUint(tag, 10) }

// Take implements feed.Source. The decoding is done here and not by the claimer, which meanwhile claims more.
func (s *subscription) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	first := len(buf)
	raws := make([]hold, 0, len(s.buffer))
	for _, tag := range s.buffer {
		buf = append(buf, feed.Item{Tag: tag})
		raws = append(raws, s.holds[tag])
	}
	s.buffer = s.buffer[:0]
	s.mu.Unlock()
	for i, h := range raws {
		item := &buf[first+i]
		item.Message, item.Redelivered = kombu.Decode(h.queue, h.raw)
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
	unseen = append(unseen, s.buffer...)
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
