package couchdb

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/kombu"
)

// A holder is who a broker's messages are held by. It is a document that is written again and again, and as long as it is
// nobody takes them away.
type holder struct {
	link  *link
	id    string
	index *index

	lost   chan struct{} // closed when it holds nothing any more: the link has failed, or its lease has ended
	stir   chan struct{} // there are queues that the follower does not know
	hungry chan struct{} // somebody has nothing to claim

	roster map[string]*sign // others, as they were seen last
	busy   atomic.Bool      // with those who are dead

	mu      sync.Mutex
	rev     string
	err     error
	retired bool
	subs    map[*subscription]struct{}
}

const (
	lease      = 6 * time.Second         // how long after its last sign of life a holder counts as dead
	tendEvery  = 1200 * time.Millisecond // how often it gives one
	tendWithin = 5 * time.Second         // how long the answer may take, which bounds how long a dead link goes unnoticed
)

var (
	errRetired = errors.New("the holder has just retired")
	errLapsed  = brokers.Refusef("the lease ran out, because this process stood still or did not reach the server for %v: "+
		"what it held has been given to others", lease)
)

// A beat is the document of a holder.
type beat struct {
	ID      string `json:"_id"`
	Rev     string `json:"_rev,omitempty"`
	Stroke  string `json:"stroke"` // as with messages
	Deleted bool   `json:"_deleted,omitempty"`
}

// newHolder makes a holder known, before it holds anything, and starts to look after it.
func newHolder(l *link) (*holder, error) {
	h := &holder{
		link: l, id: kombu.Identity(), lost: make(chan struct{}), stir: make(chan struct{}, 1), hungry: make(chan struct{}, 1),
		roster: map[string]*sign{}, subs: map[*subscription]struct{}{},
	}
	h.index = newIndex(l.clock, h.wake)
	since, err := l.sequence(context.Background())
	if err != nil {
		return nil, fmt.Errorf("ask for the feed of changes: %w", err)
	}
	if err := h.beat(); err != nil {
		return nil, fmt.Errorf("write down who is there: %w", err)
	}
	forget := l.wire.watch(h.lose)
	go h.follow(since)
	go func() {
		defer forget()
		h.tend()
	}()
	return h, nil
}

// beat gives a sign of life.
func (h *holder) beat() error {
	h.mu.Lock()
	d := beat{ID: h.id, Rev: h.rev}
	h.mu.Unlock()
	rev, err := h.link.beat(d)
	var said *refusal
	if errors.As(err, &said) && said.HTTPStatus() == http.StatusConflict {
		err = errLapsed
	}
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rev = rev
	return nil
}

// beat writes the document of a holder.
func (l *link) beat(d beat) (rev string, err error) {
	d.Stroke = l.strokes.next()
	err = l.do(context.Background(), func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(ctx, tendWithin)
		defer cancel()
		rev, err = l.holders.Put(ctx, d.ID, d)
		return err
	})
	return rev, err
}

// tend keeps the lease for as long as the holder lives, and has an eye on the others.
func (h *holder) tend() {
	t := time.NewTicker(tendEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-h.lost:
			return
		}
		began := time.Now()
		if err := h.beat(); err != nil {
			h.lose(fmt.Errorf("renew the lease in couchdb, for %v: %w", time.Since(began).Round(time.Millisecond), err))
			return
		}
		if h.busy.CompareAndSwap(false, true) { // it may take long, and must not hold up the renewing
			go func() {
				defer h.busy.Store(false)
				h.sweep()
			}()
		}
	}
}

// add has a subscription served, whose queues are known from then on.
func (h *holder) add(s *subscription) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.retired || h.err != nil {
		return errRetired
	}
	h.subs[s] = struct{}{}
	if h.index.open(s.begins) {
		feed.Signal(h.stir)
	}
	return nil
}

// remove is told by a subscription that it holds nothing and never will. With the last of them the holder retires.
func (h *holder) remove(s *subscription) {
	h.mu.Lock()
	delete(h.subs, s)
	last := len(h.subs) == 0 && !h.retired
	if last {
		h.retired = true
	}
	h.mu.Unlock()
	if last {
		h.retire(brokers.ErrClosed)
	}
}

// retire ends the lease. Left undone, it ends by itself.
func (h *holder) retire(why error) {
	h.lose(why)
	h.mu.Lock()
	d := beat{ID: h.id, Rev: h.rev, Deleted: true}
	h.mu.Unlock()
	_, _ = h.link.beat(d) // nobody depends on it any more
}

// close gives back all that is held, and ends the lease.
func (h *holder) close() {
	h.lose(brokers.ErrClosed)
	h.mu.Lock()
	subs := make([]*subscription, 0, len(h.subs))
	for s := range h.subs {
		subs = append(subs, s)
	}
	retired := h.retired
	h.retired = true
	h.mu.Unlock()
	for _, s := range subs {
		s.close()
	}
	if !retired {
		h.retire(brokers.ErrClosed)
	}
}

// lose ends the holder and its subscriptions: what it holds goes back when its lease has ended.
func (h *holder) lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil {
		h.err = err
		close(h.lost)
	}
}

func (h *holder) cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

func (h *holder) alive() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err == nil && !h.retired
}

// wake has all subscriptions look at what there is.
func (h *holder) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		feed.Signal(s.knock)
	}
}
