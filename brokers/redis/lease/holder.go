package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// unbounded is the bound that stands for a prefetch of 0.
const unbounded = 1000

// A Holder is one consumer, and implements feed.Source. One goroutine claims for it, and one keeps its lease, which
// outlives the claiming while something is held. Holders.New makes one.
type Holder[H any] struct {
	ID     string // by which the server knows it
	Queues []string

	among  *Holders[H]
	layout Layout[H]

	filled chan struct{} // tells feed that there is something to take
	room   chan struct{} // tells the claimer that it may take more
	knock  chan struct{} // tells the claimer that there may be something to take
	over   chan struct{} // closed when no more is to be claimed
	idle   chan struct{} // closed when the claimer is done
	lost   chan struct{} // closed when the link has failed
	spent  chan struct{} // closed when nothing is held and nothing will be

	claiming sync.Mutex  // by who claims, from the making of a claim until what it brought is taken in
	plenty   atomic.Bool // the last claim brought all that it wanted
	giving   sync.Mutex  // by who gives back, for End and the broker's end may come at once

	mu     sync.Mutex
	limit  int
	next   uint64    // tag of the next hold
	turn   int       // place in Queues of the one that is first to be served
	last   time.Time // when a claim last brought something
	buffer []fresh   // claimed and not yet taken
	holds  map[uint64]Held[H]
	ended  bool // no more is claimed
	err    error
}

// fresh is what nobody has taken yet.
type fresh struct {
	tag    uint64
	unpack func() feed.Item
}

func bound(prefetch int) int {
	if prefetch <= 0 {
		return unbounded
	}
	return prefetch
}

// Consume starts the consumer, which claims by claim until that returns.
func (h *Holder[H]) Consume(ctx context.Context, claim func()) brokers.Consumer {
	go func() {
		defer close(h.idle)
		claim()
	}()
	go h.keep()
	return feed.Consume(ctx, h, feed.Signals{Wake: h.filled, Lost: h.lost, Cause: h.cause})
}

// Take implements feed.Source. The unpacking is done here and not by the claimer, which meanwhile claims more.
func (h *Holder[H]) Take(buf []feed.Item) []feed.Item {
	h.mu.Lock()
	taken := h.buffer
	h.buffer = nil
	h.mu.Unlock()
	for _, f := range taken {
		item := f.unpack()
		item.Tag = f.tag
		buf = append(buf, item)
	}
	return buf
}

// SetPrefetch implements feed.Source.
func (h *Holder[H]) SetPrefetch(n int) error {
	if n < 0 {
		return brokers.Refusef("set prefetch to %d: it cannot be negative", n)
	}
	h.mu.Lock()
	h.limit = bound(n)
	h.mu.Unlock()
	feed.Signal(h.room)
	return nil
}

// Settle implements feed.Source.
func (h *Holder[H]) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	h.mu.Lock()
	held, ok := h.holds[tag]
	h.mu.Unlock()
	if !ok {
		return h.among.terms.Gone
	}
	err := h.among.settles.Do(ctx, Settlement[H]{held, h, o}, func(err error) { h.settled(tag, err) })
	if err != nil {
		return fmt.Errorf("settle a message of %s: %w", held.Queue, err)
	}
	return nil
}

// settled makes room. After an outcome that nobody knows the message may still be held, by a lease that is kept
// alive; only the end of that lease is sure to bring it back, so the consumer ends with it.
func (h *Holder[H]) settled(tag uint64, err error) {
	if err != nil && brokers.Definite(err) {
		return // still held, and may be tried again
	}
	h.mu.Lock()
	delete(h.holds, tag)
	h.checkSpent()
	h.mu.Unlock()
	if err != nil && !errors.Is(err, h.among.terms.Gone) {
		h.Lose(err)
	}
	feed.Signal(h.room)
}

func (h *Holder[H]) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Over is closed when no more is to be claimed: the consumer has ended, or it is lost.
func (h *Holder[H]) Over() <-chan struct{} { return h.over }

// IsOver tells whether Over is closed.
func (h *Holder[H]) IsOver() bool { return isShut(h.over) }

// Lost is closed by Lose.
func (h *Holder[H]) Lost() <-chan struct{} { return h.lost }

// Spent is closed when nothing is held and nothing will be.
func (h *Holder[H]) Spent() <-chan struct{} { return h.spent }
