package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// unbounded is what prefetch 0 stands for.
const unbounded = 1000

// A source claims messages for one subscription, as long as there is room, and feeds them to its consumer.
type source struct {
	consumer *consumer
	queues   []string
	turn     int // the queue that is claimed from first next time
	poked    chan struct{}
	wake     chan struct{}
	ending   chan struct{}
	ended    chan struct{} // closed when the claiming has stopped

	mu       sync.Mutex
	prefetch int
	held     map[int64]string // the queue of each message claimed and not settled
	inbox    []row
	maybe    bool // there may be something to claim
}

func newSource(c *consumer, queues []string, prefetch int) *source {
	s := &source{
		consumer: c, queues: queues, poked: make(chan struct{}, 1), wake: make(chan struct{}, 1),
		ending: make(chan struct{}), ended: make(chan struct{}), held: make(map[int64]string),
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
		room := s.prefetch - len(s.held)
		due := s.maybe && room > 0
		if due {
			s.maybe = false // from here on, whoever commits something says so again
		}
		s.mu.Unlock()
		if !due {
			continue
		}
		err := s.claimSome(room)
		switch {
		case err == nil:
			failing = time.Time{}
			continue
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > lease:
			s.consumer.Lose(fmt.Errorf("take messages from %q: %w", s.queues, err))
			return
		}
		time.AfterFunc(100*time.Millisecond, func() { s.poke(true) })
	}
}

// claimSome takes at most room messages. It writes only if there is something to take.
func (s *source) claimSome(room int) error {
	queues, err := s.nonempty()
	if err != nil || len(queues) == 0 {
		return err
	}
	var claimed []row
	err = s.consumer.broker.out.do(context.Background(), func(st *statements) error {
		claimed = claimed[:0]
		for i, q := range queues {
			fair := max(1, (room-len(claimed))/(len(queues)-i))
			if room == len(claimed) {
				break
			}
			rows, err := st.claim(s.consumer.id, q, fair)
			if err != nil {
				return err
			}
			claimed = append(claimed, rows...)
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range claimed {
		s.held[r.id] = r.queue
	}
	s.inbox = append(s.inbox, claimed...)
	s.maybe = s.maybe || len(claimed) > 0 // there was something; whether there is more is seen next time
	feed.Signal(s.wake)
	feed.Signal(s.poked)
	return nil
}

// nonempty returns the queues that have something ready, beginning with another one each time.
func (s *source) nonempty() (queues []string, err error) {
	for i := range s.queues {
		q := s.queues[(s.turn+i)%len(s.queues)]
		var ready bool
		err := s.consumer.broker.any.QueryRow(q).Scan(&ready)
		if err != nil {
			return nil, explain(err, s.consumer.broker.file)
		}
		if ready {
			queues = append(queues, q)
		}
	}
	s.turn++
	return queues, nil
}

// Take implements feed.Source.
func (s *source) Take(buf []feed.Item) []feed.Item {
	s.mu.Lock()
	inbox := s.inbox
	s.inbox = nil
	s.mu.Unlock()
	for _, r := range inbox {
		m, err := envelope.Decode(r.envelope)
		if err != nil {
			m = brokers.Message{Body: r.envelope} // a foreign row: the receiver shall see it and reject it
		}
		m.Queue = r.queue
		buf = append(buf, feed.Item{Tag: uint64(r.id), Message: m, Redelivered: r.handed > 1})
	}
	return buf
}

// Settle implements feed.Source.
func (s *source) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	id := int64(tag)
	s.mu.Lock()
	queue := s.held[id]
	s.mu.Unlock()
	if err := s.consumer.Cause(); err != nil {
		return fmt.Errorf("settle message: %w", err)
	}
	ours := true
	err := s.consumer.broker.out.do(ctx, func(st *statements) (err error) {
		ours, err = st.settle(s.consumer.id, id, queue, o)
		return err
	}, func(err error) {
		if err == nil {
			s.settled(id, o)
		}
	})
	if err == nil && !ours {
		err = errLapsed
	}
	if err != nil {
		return fmt.Errorf("settle message: %w", err)
	}
	return nil
}

// settled makes room, and lets everybody here know of what was given back.
func (s *source) settled(id int64, o feed.Outcome) {
	s.mu.Lock()
	delete(s.held, id)
	s.mu.Unlock()
	s.poke(false)
	if o != feed.Ack {
		s.consumer.changed()
	}
}

// SetPrefetch implements feed.Source.
func (s *source) SetPrefetch(n int) error {
	s.mu.Lock()
	s.bound(n)
	s.mu.Unlock()
	s.poke(true)
	return s.consumer.Cause()
}

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *source) End(unseen []uint64) {
	close(s.ending)
	<-s.ended
	s.consumer.Remove(s)
	s.mu.Lock()
	for _, r := range s.inbox {
		unseen = append(unseen, uint64(r.id))
	}
	s.inbox = nil
	s.mu.Unlock()
	if len(unseen) == 0 {
		return
	}
	err := s.consumer.broker.out.do(context.Background(), func(st *statements) error {
		for _, tag := range unseen {
			if _, err := st.settle(s.consumer.id, int64(tag), "", feed.Unseen); err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		if err == nil {
			s.consumer.changed()
		}
	})
	if err != nil && !errors.Is(err, brokers.ErrClosed) {
		// They stay with this process's lease; ending that is the one way left to give them back.
		s.consumer.Lose(fmt.Errorf("give back %d messages: %w", len(unseen), err))
	}
}
