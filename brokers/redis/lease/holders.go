package lease

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/group"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/link"
)

// Holders are the consumers of one broker. It is safe for concurrent use.
type Holders[H any] struct {
	link    *link.Link
	terms   Terms[H]
	settles *group.Group[Settlement[H]]

	mu    sync.Mutex
	ended bool
	all   map[*Holder[H]]struct{}
}

// Terms are what the layouts of all consumers of a broker have in common.
type Terms[H any] struct {
	Plan  func(all []Settlement[H]) []Call // how messages are settled
	Gone  error                            // of settling one that is not held any more
	Sweep time.Duration                    // between two looks for what those hold who have no lease
}

// NewHolders returns those of a broker that has none yet.
func NewHolders[H any](l *link.Link, t Terms[H]) *Holders[H] {
	hs := &Holders[H]{link: l, terms: t, all: map[*Holder[H]]struct{}{}}
	hs.settles = group.New(hs.settle)
	return hs
}

// New returns a consumer of the queues, which is known to nobody until Enter.
func (hs *Holders[H]) New(layout Layout[H], queues []string, prefetch int) *Holder[H] {
	return &Holder[H]{
		ID: kombu.Identity(), Queues: slices.Clone(queues), among: hs, layout: layout, limit: bound(prefetch), next: 1, last: time.Now(),
		filled: make(chan struct{}, 1), room: make(chan struct{}, 1), knock: make(chan struct{}, 1),
		over: make(chan struct{}), idle: make(chan struct{}), lost: make(chan struct{}), spent: make(chan struct{}),
		holds: map[uint64]Held[H]{},
	}
}

// Enter has a consumer registered, as it says, within ctx. An error is Definite where ctx ended or the server refused, and
// brokers.ErrClosed after End; a name that was registered in vain is forgotten when its lease ends.
func (hs *Holders[H]) Enter(ctx context.Context, h *Holder[H], register func(ctx context.Context) error) error {
	err := brokers.Within(ctx, func() error { return register(ctx) })
	if err == nil {
		err = hs.add(h)
	}
	if err == nil {
		return nil
	}
	// The link's own deadline is the context's, and may be noticed first.
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		err = context.DeadlineExceeded
	}
	if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
		err = brokers.Refuse(err)
	}
	return link.Judgef(err, "consume from redis")
}

func (hs *Holders[H]) add(h *Holder[H]) error {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if hs.ended {
		return brokers.ErrClosed
	}
	hs.all[h] = struct{}{}
	return nil
}

func (hs *Holders[H]) remove(h *Holder[H]) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	delete(hs.all, h)
}

// End lets nobody enter any more, and tells whether it is the first.
func (hs *Holders[H]) End() (first bool) {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	first = !hs.ended
	hs.ended = true
	return first
}

// Ended tells whether End was called.
func (hs *Holders[H]) Ended() bool {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	return hs.ended
}

// Close returns, after End, when all that is being settled is and what is still held has been given back. It is called once.
func (hs *Holders[H]) Close() {
	hs.settles.Close()
	hs.mu.Lock()
	all := slices.Collect(maps.Keys(hs.all))
	hs.mu.Unlock()
	for _, h := range all {
		h.close()
	}
}
