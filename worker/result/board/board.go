// Package board is where those who wait for a task's record are noted, so that what brings news wakes just them.
package board

import (
	"context"
	"sync"
	"time"
)

// A Board notes who waits for what. The zero value is ready to use, and is safe for concurrent use.
type Board struct {
	mu      sync.Mutex
	waiters map[string]map[chan struct{}]struct{}
	first   chan struct{} // told when somebody comes to an empty board; may be nil
}

// Join notes a caller. The channel gets a token whenever there is news of the id; news that come together are one.
// Leave ends that; a second call does nothing.
func (b *Board) Join(id string) (news <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiters == nil {
		b.waiters = make(map[string]map[chan struct{}]struct{})
	}
	if b.waiters[id] == nil {
		b.waiters[id] = make(map[chan struct{}]struct{})
	}
	b.waiters[id][c] = struct{}{}
	if b.first != nil {
		tell(b.first)
	}
	return c, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.waiters[id], c)
		if len(b.waiters[id]) == 0 {
			delete(b.waiters, id)
		}
	}
}

// Wake tells all who wait for one of the ids.
func (b *Board) Wake(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		for c := range b.waiters[id] {
			tell(c)
		}
	}
}

// IDs are those that somebody waits for.
func (b *Board) IDs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]string, 0, len(b.waiters))
	for id := range b.waiters {
		ids = append(ids, id)
	}
	return ids
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A Poller asks a server that brings no news by itself, for all who wait on a board in one question.
type Poller struct {
	Board

	stop context.CancelFunc
	done chan struct{}
}

// Poll starts a poller. Ready tells which of the ids have news; its errors mean that nothing is known yet. It is
// asked every interval while somebody waits, and never longer than patience. Close ends it.
func Poll(interval, patience time.Duration, ready func(ctx context.Context, ids []string) ([]string, error)) *Poller {
	ctx, stop := context.WithCancel(context.Background())
	p := &Poller{Board: Board{first: make(chan struct{}, 1)}, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		t := time.NewTicker(interval)
		defer t.Stop()
		for {
			ids := p.IDs()
			if len(ids) == 0 {
				select {
				case <-p.first:
					continue
				case <-ctx.Done():
					return
				}
			}
			asking, cancel := context.WithTimeout(ctx, patience)
			if found, err := ready(asking, ids); err == nil {
				p.Wake(found...)
			}
			cancel()
			select {
			case <-t.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

// Close returns once nothing is being asked any more. A second call does nothing.
func (p *Poller) Close() {
	p.stop()
	<-p.done
}
