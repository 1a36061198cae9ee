package feed

import (
	"context"
	"sync"

	"taskbench/brokers"
)

// An Occupant of a Seat can be lost, as a Set can.
type Occupant interface {
	comparable
	Cause() error
	Lose(cause error) (first bool)
}

// A Seat is a broker's place for the one consumer that all of its deliveries belong to, and knows whether the broker is
// closed. The zero Seat is ready to use; it is safe for concurrent use.
type Seat[C Occupant] struct {
	mu     sync.Mutex
	closed bool
	last   C
}

// Usable is brokers.ErrClosed once the seat is closed, and Definite when ctx has ended.
func (s *Seat[C]) Usable(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return brokers.ErrClosed
	}
	return brokers.Refuse(ctx.Err())
}

// Last is who took the seat last, and the zero C before.
func (s *Seat[C]) Last() C {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Take returns who has the seat: somebody new where nobody has it, or who had it was lost. Start is called for whoever gets
// it, before it can be closed. Who was made in vain, as another call was faster or the broker has been closed, is
// lost to brokers.ErrClosed, and drop is called, unless it is nil. Neither of the two may call the seat.
func (s *Seat[C]) Take(fresh func() (C, error), start, drop func(C)) (C, error) {
	var none C
	if c := s.Last(); c != none && c.Cause() == nil {
		return c, nil
	}
	c, err := fresh()
	if err != nil {
		return none, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.last != none && s.last.Cause() == nil
	if !s.closed && !taken {
		s.last = c
		start(c)
		return c, nil
	}
	c.Lose(brokers.ErrClosed)
	if drop != nil {
		drop(c)
	}
	if s.closed {
		return none, brokers.ErrClosed
	}
	return s.last, nil
}

// Close has nobody take the seat any more. It returns who took it last, and whether it was open before.
func (s *Seat[C]) Close() (last C, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, s.closed = !s.closed, true
	return s.last, first
}
