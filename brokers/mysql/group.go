package mysql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
)

// A group sends in one exchange what many callers want done at the same time: while one exchange is under way,
// the wishes of the next are collected. A caller waits for its own outcome only.
type group[T any] struct {
	send func(wishes []T) []error // one outcome for each

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

func newGroup[T any](send func([]T) []error) *group[T] {
	g := &group[T]{send: send, more: make(chan struct{}, 1), done: make(chan struct{})}
	go g.run()
	return g
}

// do returns the outcome. When ctx ends first, the error is Definite if nothing had been sent; otherwise the
// outcome is still told to settle, which may be nil.
func (g *group[T]) do(ctx context.Context, value T, settle func(error)) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	w := &wish[T]{value: value, outcome: make(chan error, 1), settle: settle}
	if err := g.add(w); err != nil {
		return err
	}
	return w.await(ctx)
}

// doAll returns the outcomes of wishes that are sent together, each as do would.
func (g *group[T]) doAll(ctx context.Context, values []T) []error {
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
		return fmt.Errorf("sent, and no answer yet: %w", ctx.Err())
	}
}

func (g *group[T]) add(ws ...*wish[T]) error {
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

func (g *group[T]) run() {
	defer close(g.done)
	var batch []*wish[T]
	var values []T
	for range g.more {
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

// close lets what waits be sent and returns once it has its outcomes.
func (g *group[T]) close() {
	g.mu.Lock()
	g.closed = true
	select {
	case g.more <- struct{}{}:
	default:
	}
	g.mu.Unlock()
	<-g.done
}
