package pool

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// mostSlots bounds how many places a pool can have that takes no process for each, and mostChildren those of prefork.
const (
	mostSlots    = 16_384
	mostChildren = 1024
)

// Most is how many places the pool of that name can be resized to.
func Most(name string) int {
	switch name {
	case "solo":
		return 1
	case "prefork":
		return mostChildren
	}
	return mostSlots
}

// places are so many tokens, of which every running attempt holds one.
type places struct {
	free chan struct{}

	mu   sync.Mutex // of Resize; giving back takes it only while there are too many
	size int
	debt int         // tokens to be taken out when they are met with
	owes atomic.Bool // debt > 0
}

func newPlaces(size, most int) *places {
	p := &places{free: make(chan struct{}, max(size, most)), size: size}
	for range size {
		p.free <- struct{}{}
	}
	return p
}

// take waits for a place; false when ctx or closing ends first. A nil closing never does.
func (p *places) take(ctx context.Context, closing <-chan struct{}) bool {
	for {
		select {
		case <-p.free: // the common case, and cheaper than a select of several
		default:
			select {
			case <-p.free:
			case <-ctx.Done():
				return false
			case <-closing:
				return false
			}
		}
		if ctx.Err() != nil {
			p.give()
			return false
		}
		if !p.owes.Load() || !p.pay() {
			return true
		}
	}
}

func (p *places) give() {
	if !p.owes.Load() || !p.pay() {
		p.free <- struct{}{}
	}
}

// pay takes a token out for good, if there are too many.
func (p *places) pay() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.debt == 0 {
		return false
	}
	p.debt--
	p.owes.Store(p.debt > 0)
	return true
}

// resize changes the number of places; it tells by how many it grew.
func (p *places) resize(n int) (grown int, err error) {
	if n < 0 || n > cap(p.free) {
		return 0, fmt.Errorf("resize the pool: %d places are not from 0 to %d", n, cap(p.free))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	grown = n - p.size
	p.size = n
	for range grown {
		if p.debt > 0 {
			p.debt--
		} else {
			p.free <- struct{}{}
		}
	}
	for range -grown {
		select {
		case <-p.free:
		default:
			p.debt++
		}
	}
	p.owes.Store(p.debt > 0)
	return grown, nil
}

func (p *places) width() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size
}
