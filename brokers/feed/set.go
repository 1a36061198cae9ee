package feed

import (
	"iter"
	"sync"
)

// A Set keeps what ends together: the sources of a consumer, or the subscriptions of a broker. NewSet makes one; it is safe
// for concurrent use.
type Set[T comparable] struct {
	lost chan struct{}

	mu      sync.Mutex
	cause   error
	members map[T]struct{}
}

// NewSet returns a set that is empty.
func NewSet[T comparable]() *Set[T] {
	return &Set[T]{lost: make(chan struct{}), members: map[T]struct{}{}}
}

// Add makes v a member, unless the set is lost: then it returns the cause. Start, unless it is nil, is called for a new
// member before the set can be lost, so that whoever has lost it can wait for what was started. It must not call the set.
func (s *Set[T]) Add(v T, start func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return s.cause
	}
	s.members[v] = struct{}{}
	if start != nil {
		start()
	}
	return nil
}

// Remove does nothing where v is no member.
func (s *Set[T]) Remove(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, v)
}

// All goes through the members, in no order; those of a lost set still are. The set is locked meanwhile: a loop that calls
// it goes through what slices.Collect makes of this.
func (s *Set[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for v := range s.members {
			if !yield(v) {
				return
			}
		}
	}
}

// Lose ends the set because of cause, which is not nil, and tells whether it was not lost before: the first cause stands.
func (s *Set[T]) Lose(cause error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return false
	}
	s.cause = cause
	close(s.lost)
	return true
}

// Lost is closed when the set is lost. It is what Signals need, as is Cause.
func (s *Set[T]) Lost() <-chan struct{} { return s.lost }

// Cause is what the set was lost to, and nil before.
func (s *Set[T]) Cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cause
}
