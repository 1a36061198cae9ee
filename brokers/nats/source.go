package nats

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 256

// A hold is a message that the server has given us, until it is settled.
type hold struct {
	queue   string
	ack     string // the subject that settles it
	id      string // the same for every handing-over
	data    []byte
	again   bool
	lease   time.Duration
	renewed time.Time // when its lease began to run, or earlier
}

// A source implements feed.Source: a tap for each queue, and one bound for all.
type source struct {
	b    *broker
	link *link
	wake chan struct{}
	lost chan struct{} // closed when no more will come
	done chan struct{} // closed when nothing is held and nothing will be

	mu    sync.Mutex
	taps  []*queueTap
	first int // the tap whose turn it is
	limit int
	next  uint64
	holds map[uint64]*hold
	inbox []uint64 // received and not yet taken
	over  bool     // no more is to be taken
	err   error
}

func newSource(b *broker, l *link, prefetch int) *source {
	return &source{
		b: b, link: l, wake: make(chan struct{}, 1), lost: make(chan struct{}), done: make(chan struct{}),
		limit: bound(prefetch), next: 1, holds: map[uint64]*hold{},
	}
}

func bound(prefetch int) int {
	if prefetch <= 0 {
		return unbounded
	}
	return prefetch
}

// add makes a tap for a queue, from which nothing is pulled yet.
func (s *source) add(queue string, lease time.Duration) error {
	t := &queueTap{queue: queue, lease: lease}
	var err error
	if t.tap, err = newTap(s.link, queueOf(queue), func(m *client.Msg) { s.hear(t, m) }); err != nil {
		return brokers.Refuse(err)
	}
	s.taps = append(s.taps, t)
	return nil
}

// begin makes the first pulls.
func (s *source) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan()
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	tags := s.inbox
	s.inbox = nil
	held := make([]hold, len(tags))
	for i, tag := range tags {
		held[i] = *s.holds[tag]
	}
	s.mu.Unlock()
	for i, h := range held {
		buf = append(buf, feed.Item{Tag: tags[i], Message: unpack(h.queue, h.data), Redelivered: h.again})
	}
	return buf
}

// unpack takes what is no envelope, because somebody else published it, for a body without headers.
func unpack(queue string, data []byte) brokers.Message {
	m, err := envelope.Decode(data)
	if err != nil {
		m = brokers.Message{Body: data}
	}
	m.Queue = queue
	return m
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = bound(n)
	s.plan()
	return s.err
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	s.halt()
	s.mu.Lock()
	unseen = append(unseen, s.inbox...)
	s.inbox = nil
	s.mu.Unlock()
	s.giveBack(unseen)
}

// close ends the source with its broker: all that it still holds goes back at once.
func (s *source) close() {
	s.lose(brokers.ErrClosed)
	s.halt()
	s.mu.Lock()
	tags := make([]uint64, 0, len(s.holds))
	for tag := range s.holds {
		tags = append(tags, tag)
	}
	s.mu.Unlock()
	s.giveBack(tags)
}

// halt takes no more. It returns when all that was under way has come; a second call waits as well.
func (s *source) halt() {
	s.mu.Lock()
	first := !s.over
	s.over = true
	s.mu.Unlock()
	if first {
		s.hangUp()
	}
	for _, t := range s.taps {
		t.await()
	}
	s.mu.Lock()
	s.checkDone()
	s.mu.Unlock()
}

// hangUp closes the taps.
func (s *source) hangUp() {
	for _, t := range s.taps {
		t.close()
	}
}

// giveBack has messages become ready again. What cannot be given back now goes back when its lease ends.
func (s *source) giveBack(tags []uint64) {
	slices.Sort(tags)
	var questions []*question
	s.mu.Lock()
	for _, tag := range tags {
		if h, held := s.holds[tag]; held {
			if q, err := s.link.send(h.ack, nil, nak); err == nil {
				questions = append(questions, q)
			}
		}
		delete(s.holds, tag)
	}
	s.checkDone()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, q := range questions {
		_, _ = s.link.await(ctx, q) // left without an answer, the lease brings it back
	}
}

// checkDone is called with mu held.
func (s *source) checkDone() {
	if !s.over || len(s.holds) > 0 {
		return
	}
	select {
	case <-s.done:
	default:
		close(s.done)
	}
}

// lose ends the source: what it holds goes back when its lease ends. The first cause stands.
func (s *source) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loseLocked(err)
}

func (s *source) loseLocked(err error) {
	if s.err == nil {
		s.err = err
		close(s.lost)
	}
}

func (s *source) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// keep renews what is held, sees to pulls that the server forgot, and ends the source when its link has ended.
func (s *source) keep() {
	defer s.b.dismiss(s)
	shortest := lease
	for _, t := range s.taps {
		shortest = min(shortest, t.lease)
	}
	tick := time.NewTicker(shortest / 4)
	defer tick.Stop()
	for {
		select {
		case <-s.link.dead:
			s.lose(s.link.why())
			return
		case <-s.done:
			return
		case <-tick.C:
			if err := s.renew(); err != nil {
				s.lose(fmt.Errorf("renew leases in nats at %s: %w", s.link.addr, err))
				s.halt()
				if errors.Is(err, errLapsed) {
					return
				}
			}
		}
		if s.cause() != nil && !errors.Is(s.cause(), brokers.ErrClosed) {
			s.halt()
			return // what is held comes back when its lease ends
		}
	}
}

// renew tells the server that all that is held is in work. The lease runs from before the telling.
func (s *source) renew() error {
	began := time.Now()
	s.mu.Lock()
	var held []*hold
	for _, h := range s.holds {
		if began.Sub(h.renewed) > h.lease {
			s.mu.Unlock()
			return errLapsed
		}
		held = append(held, h)
	}
	s.plan()
	s.mu.Unlock()
	if len(held) == 0 {
		return nil
	}
	for _, h := range held {
		if err := s.link.nc.Publish(h.ack, progress); err != nil {
			return err
		}
	}
	if err := s.link.flush(context.Background()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range held {
		h.renewed = began
	}
	return nil
}
