package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 1000

// A source claims messages for one subscription, as long as there is room, and feeds them to its consumer.
type source struct {
	consumer *consumer
	queues   []string
	planner  planner
	poked    chan struct{}
	wake     chan struct{}
	ending   chan struct{}
	ended    chan struct{} // closed when the claiming has stopped

	mu       sync.Mutex
	prefetch int
	holds    map[int64]string // the queue of each message claimed and not settled
	inbox    []row
	maybe    bool // there may be something to claim
	over     bool // nothing more is to be claimed
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	s := &source{
		consumer: c, queues: slices.Clone(queues), planner: newPlanner(queues), poked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), ended: make(chan struct{}), holds: map[int64]string{},
	}
	s.bound(prefetch)
	s.poke(true)
	return s
}

func (s *source) bound(n int) {
	if n <= 0 {
		n = unbounded
	}
	s.prefetch = n
}

// poke makes the claiming look again: at what there is, or only at how much room there is.
func (s *source) poke(maybe bool) {
	s.mu.Lock()
	s.maybe = s.maybe || maybe
	s.mu.Unlock()
	feed.Signal(s.poked)
}

// claim runs until the source or its consumer ends.
func (s *source) claim() {
	defer close(s.ended)
	var failing time.Time
	for {
		select {
		case <-s.poked:
		case <-s.ending:
			return
		case <-s.consumer.Lost():
			return
		}
		s.mu.Lock()
		due := s.maybe && s.prefetch > len(s.holds)
		if due {
			s.maybe = false // from here on, whoever stores something says so again
		}
		s.mu.Unlock()
		if !due {
			continue
		}
		err := s.consumer.broker.wishes.Do(context.Background(), wish{source: s}, nil)
		switch {
		case err == nil:
			failing = time.Time{}
			continue
		case failing.IsZero():
			failing = time.Now()
		}
		// After an answer that did not come the server may have given messages that nobody here knows of.
		if !brokers.Definite(err) || errors.Is(err, errLapsed) || time.Since(failing) > lease {
			s.consumer.Lose(fmt.Errorf("claim from %q: %w", s.queues, err))
			return
		}
		time.AfterFunc(100*time.Millisecond, func() { s.poke(true) })
	}
}

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	w := wish{source: s, id: int64(tag), outcome: o}
	s.mu.Lock()
	w.queue = s.holds[w.id]
	s.mu.Unlock()
	err := s.consumer.Cause()
	if err == nil {
		err = s.consumer.broker.wishes.Do(ctx, w, nil)
	}
	if err != nil {
		return fmt.Errorf("settle a message of %s in postgres: %w", w.queue, err)
	}
	return nil
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept alive;
// only the end of that lease is sure to bring it back, so the consumer ends with it.
func (s *source) settled(id int64, o feed.Outcome, err error) {
	if err != nil && brokers.Definite(err) && !errors.Is(err, errLapsed) {
		return // still held, and may be tried again
	}
	s.mu.Lock()
	delete(s.holds, id)
	spent := s.over && len(s.holds) == 0
	s.mu.Unlock()
	if spent {
		s.consumer.Remove(s)
	}
	if err != nil {
		s.consumer.Lose(err)
	}
	s.poke(o != feed.Ack)
}

// plan is what to claim, when so many of the messages that are held are being settled by the same exchange.
func (s *source) plan(freed int) *claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.planner.plan(s.prefetch - len(s.holds) + freed)
}

// take keeps what was claimed.
func (s *source) take(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planner.learn(c)
	if len(c.rows) == 0 {
		return
	}
	for _, r := range c.rows {
		s.holds[r.id] = r.queue
	}
	s.inbox = append(s.inbox, c.rows...)
	s.maybe = true // there was something; whether there is more is seen next time
	feed.Signal(s.wake)
	feed.Signal(s.poked)
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, r := range inbox {
		m, again := s.consumer.broker.layout.decode(r.queue, r.payload)
		buf = append(buf, feed.Item{Tag: uint64(r.id), Message: m, Redelivered: again || r.handed > 1, Deliveries: r.handed})
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	s.mu.Lock()
	s.bound(n)
	s.mu.Unlock()
	s.poke(true)
	return s.consumer.Cause()
}

func (s *source) held() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int64, 0, len(s.holds))
	for id := range s.holds {
		ids = append(ids, id)
	}
	return ids
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	close(s.ending)
	<-s.ended
	s.mu.Lock()
	for _, r := range s.inbox {
		unseen = append(unseen, uint64(r.id))
	}
	s.inbox, s.over = nil, true
	wishes := make([]wish, len(unseen))
	for i, tag := range unseen {
		wishes[i] = wish{source: s, id: int64(tag), queue: s.holds[int64(tag)], outcome: feed.Unseen}
	}
	spent := len(s.holds) == 0
	s.mu.Unlock()
	if spent {
		s.consumer.Remove(s)
	}
	if s.consumer.Cause() != nil {
		return // all of it goes back with the consumer
	}
	errs := slices.DeleteFunc(s.consumer.broker.wishes.DoAll(context.Background(), wishes), func(err error) bool {
		return err == nil || errors.Is(err, brokers.ErrClosed)
	})
	if len(errs) > 0 {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.Lose(fmt.Errorf("give back %d messages unseen: %w", len(errs), errs[0]))
	}
}
