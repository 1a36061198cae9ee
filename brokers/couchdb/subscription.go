package couchdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// unbounded is the bound that stands for a prefetch of 0.
const unbounded = 1000

// A subscription implements feed.Source. One goroutine claims for it.
type subscription struct {
	b      *broker
	holder *holder
	begins []string          // of its queues' names
	queues map[string]string // by these

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	knock  chan struct{} // tells the claimer that there is something
	stop   chan struct{} // closed when no more is to be claimed
	idle   chan struct{} // closed when the claimer is done

	giving   sync.Mutex // held by who gives back, until the server has answered
	mu       sync.Mutex
	limit    int
	next     uint64
	inbox    []uint64 // claimed and not yet taken
	holds    map[uint64]document
	settling int // of these, which whoever had them is done with
	ended    bool
	spent    bool
	weight   int // bytes of a message, as they were lately
}

func newSubscription(b *broker, h *holder, queues []string, prefetch int) *subscription {
	s := &subscription{
		b: b, holder: h, queues: map[string]string{}, limit: bound(prefetch), next: 1, holds: map[uint64]document{},
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1), knock: make(chan struct{}, 1),
		stop: make(chan struct{}), idle: make(chan struct{}),
	}
	for _, q := range queues {
		if begin := of(q); s.queues[begin] == "" {
			s.begins, s.queues[begin] = append(s.begins, begin), q
		}
	}
	return s
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
	tags := s.inbox
	s.inbox = nil
	docs := make([]document, len(tags))
	for i, tag := range tags {
		docs[i] = s.holds[tag]
	}
	s.mu.Unlock()
	for i, tag := range tags {
		item := unpack(docs[i], s.queueOf(docs[i].ID))
		item.Tag = tag
		buf = append(buf, item)
	}
	return buf
}

func (s *subscription) queueOf(id string) string {
	p, _ := placeOf(id)
	return s.queues[p.queue]
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

// End implements feed.Source. It returns when what nobody has seen is back.
func (s *subscription) End(unseen []uint64) {
	s.halt()
	s.mu.Lock()
	unseen = append(unseen, s.inbox...)
	s.inbox = nil
	s.mu.Unlock()
	s.giveBack(unseen, nil)
	s.checkSpent()
}

// close ends the subscription with its broker: all that it still holds goes back at once.
func (s *subscription) close() {
	s.halt()
	s.mu.Lock()
	unseen := s.inbox
	s.inbox = nil
	var seen []uint64
	for tag := range s.holds {
		if !slices.Contains(unseen, tag) {
			seen = append(seen, tag)
		}
	}
	s.mu.Unlock()
	s.giveBack(unseen, seen)
}

// halt stops the claiming, and returns when it has stopped. It may be called more than once.
func (s *subscription) halt() {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		close(s.stop)
	}
	s.mu.Unlock()
	<-s.idle
}

// giveBack has messages become ready again. What cannot be given back now goes back when the lease ends. Until all have their
// outcome they count as held: the holder is kept, and the broker's end waits.
func (s *subscription) giveBack(unseen, seen []uint64) {
	s.giving.Lock()
	defer s.giving.Unlock()
	var all []settlement
	s.mu.Lock()
	for _, part := range []struct {
		tags    []uint64
		outcome feed.Outcome
	}{{unseen, feed.Unseen}, {seen, feed.Requeue}} {
		for _, tag := range part.tags {
			if d, held := s.holds[tag]; held {
				all = append(all, settlement{holder: s.holder, doc: d, outcome: part.outcome})
			}
		}
	}
	s.mu.Unlock()
	if len(all) == 0 {
		return
	}
	if err := errors.Join(s.b.link.settle(all)...); err != nil {
		s.holder.lose(fmt.Errorf("give back messages in couchdb: %w", err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tag := range slices.Concat(unseen, seen) {
		delete(s.holds, tag)
	}
}

// Settle implements feed.Source. The next message is claimed while this one is settled: with few in hand, the time that
// both take would else be most of what a task takes.
func (s *subscription) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	s.mu.Lock()
	d, ours := s.holds[tag]
	s.mu.Unlock()
	err := s.holder.cause()
	switch {
	case err == nil && !ours:
		err = errGone
	case err == nil:
		s.leaving(1)
		var told atomic.Bool
		st := settlement{holder: s.holder, doc: d, outcome: o}
		err = s.b.ends.Do(ctx, st, func(err error) {
			told.Store(true)
			s.leaving(-1)
			s.settled(tag, err)
		})
		if err != nil && brokers.Definite(err) && !told.Load() { // it was never sent, and nobody will tell
			s.leaving(-1)
		}
	}
	if err != nil {
		return fmt.Errorf("settle a message of %s in couchdb: %w", s.queueOf(d.ID), err)
	}
	return nil
}

// leaving counts what is about to be settled.
func (s *subscription) leaving(n int) {
	s.mu.Lock()
	s.settling += n
	s.mu.Unlock()
	feed.Signal(s.room)
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept alive;
// only the end of that is sure to bring it back, so the holder ends with it.
func (s *subscription) settled(tag uint64, err error) {
	if err != nil && brokers.Definite(err) {
		return // still held, and may be tried again
	}
	s.mu.Lock()
	delete(s.holds, tag)
	s.mu.Unlock()
	if err != nil {
		s.holder.lose(err)
	}
	feed.Signal(s.room)
	s.checkSpent()
}

// checkSpent has the holder forget a subscription that holds nothing and never will.
func (s *subscription) checkSpent() {
	s.mu.Lock()
	now := s.ended && len(s.holds) == 0 && len(s.inbox) == 0 && !s.spent
	s.spent = s.spent || now
	s.mu.Unlock()
	if now {
		go s.holder.remove(s) // it may have to tell the server, and who settles does not wait for that
	}
}
