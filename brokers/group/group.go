// Package group sends in one exchange what many callers want done at the same time: while one exchange with the server
// is under way, the wishes of the next are collected.
package group

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
)

// A Group takes wishes and sends them, all that wait at once, one exchange after the other. A caller waits for its own
// outcome only. It is safe for concurrent use.
type Group[T any] struct {
	send func(wishes []T) []error

	mu      sync.Mutex
	waiting []*wish[T]
	closed  bool
	more    chan struct{}
	done    chan struct{}
}

// A wish is taken back while it waits, or sent; never both.
type wish[T any] struct {
	value   T
	taken   atomic.Bool
	outcome chan error
	settle  func(error) // told the outcome even where the caller has gone
}

// New returns a group; send returns one outcome for each wish, and keeps neither slice.
func New[T any](send func(wishes []T) []error) *Group[T] {
	g := &Group[T]{send: send, more: make(chan struct{}, 1), done: make(chan struct{})}
	go g.run()
	return g
}

// Do returns the outcome of a wish. When ctx ends first, the error is Definite if nothing had been sent; otherwise the
// outcome is still told to settle, which may be nil. After Close it is brokers.ErrClosed.
func (g *Group[T]) Do(ctx context.Context, value T, settle func(error)) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	w := &wish[T]{value: value, outcome: make(chan error, 1), settle: settle}
	if err := g.add(w); err != nil {
		return err
	}
	return w.await(ctx)
}

// DoAll returns the outcomes of wishes that are sent together, each as Do would.
func (g *Group[T]) DoAll(ctx context.Context, values []T) []error {
	errs := make([]error, len(values))
	ws := make([]*wish[T], len(values))
	for i, v := range values {
		ws[i] = &wish[T]{value: v, outcome: make(chan error, 1)}
	}
	refused := brokers.Refuse(ctx.Err())
	if refused == nil {
		refused = g.add(ws...)
	}
	for i, w := range ws {
		if errs[i] = refused; refused == nil {
			errs[i] = w.await(ctx)
		}
	}
	return errs
}

func (w *wish[T]) await(ctx context.Context) error {
	select {
	case err := <-w.outcome:
		return err
	case <-ctx.Done():
		if w.taken.CompareAndSwap(false, true) {
			return brokers.Refuse(ctx.Err())
		}
	}
	select {
	case err := <-w.outcome: // it was there when ctx ended
		return err
	default:
		return fmt.Errorf("sent, and no answer yet: %w", ctx.Err())
	}
}

func (g *Group[T]) add(ws ...*wish[T]) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return brokers.ErrClosed
	}
	g.waiting = append(g.waiting, ws...)
	select {
	case g.more <- struct{}{}:
	default:
	}
	return nil
}

func (g *Group[T]) run() {
	defer close(g.done)
	var batch []*wish[T]
	var values []T
	for range g.more {
		runtime.Gosched() // those whom the last exchange woke are about to wish for the next thing: let them be part of this one
		g.mu.Lock()
		batch, g.waiting = g.waiting, batch[:0]
		closed := g.closed
		g.mu.Unlock()
		kept := batch[:0]
		values = values[:0]
		for _, w := range batch {
			if w.taken.CompareAndSwap(false, true) {
				kept, values = append(kept, w), append(values, w.value)
			}
		}
		if len(kept) > 0 {
			for i, err := range g.send(values) {
				if kept[i].settle != nil {
					kept[i].settle(err)
				}
				kept[i].outcome <- err
			}
		}
		clear(batch)
		clear(values)
		if closed {
			return
		}
	}
}

// Close lets what waits be sent and returns once it has its outcomes. It is called once.
func (g *Group[T]) Close() {
	g.mu.Lock()
	g.closed = true
	select {
	case g.more <- struct{}{}:
	default:
	}
	g.mu.Unlock()
	<-g.done
}

// PublishAll does what pack makes of each message, all together, and returns their outcomes in the order of the messages.
// What cannot be packed keeps no other back. In is the broker's name for the errors.
func (g *Group[T]) PublishAll(ctx context.Context, in string, ms []brokers.Message, pack func(brokers.Message) (T, error)) []error {
	errs := make([]error, len(ms))
	values := make([]T, 0, len(ms))
	places := make([]int, 0, len(ms))
	for i, m := range ms {
		v, err := pack(m)
		if errs[i] = err; err == nil {
			values, places = append(values, v), append(places, i)
		}
	}
	for n, err := range g.DoAll(ctx, values) {
		errs[places[n]] = err
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("publish to %s in %s: %w", ms[i].Queue, in, err)
		}
	}
	return errs
}
