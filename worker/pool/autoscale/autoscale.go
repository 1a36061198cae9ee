// Package autoscale decides how many places a pool is to have: as many as there is work for, between two bounds.
package autoscale

import (
	"context"
	"sync"
	"time"
)

// Keep is how long after it last grew a pool does not shrink: places that come and go cost more than idle ones.
const Keep = 30 * time.Second

// A Scale is the bounds, and when the pool last grew.
type Scale struct {
	Min, Max int
	Grown    time.Time // zero: never
}

// Wanted is the size that a pool of this size should have at that moment, with so many tasks in hand that may run, of
// which so many do: it grows at once to what is in hand, shrinks only once it has not grown for Keep, and never below
// what runs. A size beyond the bounds counts as wrong whatever is in hand.
func (s Scale) Wanted(now time.Time, size, inHand, busy int) int {
	wanted := min(max(inHand, s.Min), s.Max)
	if wanted >= size {
		return wanted
	}
	if size <= s.Max && !s.Grown.IsZero() && now.Sub(s.Grown) <= Keep {
		return size
	}
	return min(max(wanted, busy), size)
}

// A Pool is what is scaled.
type Pool interface {
	Size() int
	Resize(n int) error
}

// A Scaler has a pool follow its work. Its methods may be called concurrently.
type Scaler struct {
	pool Pool
	load func() (inHand, busy int)
	look chan struct{}

	mu    sync.Mutex
	scale Scale
}

// New makes the Scaler of a pool; load tells what it has to do, and is called often.
func New(p Pool, s Scale, load func() (inHand, busy int)) *Scaler {
	return &Scaler{pool: p, load: load, look: make(chan struct{}, 1), scale: s}
}

// Run scales until ctx ends, whenever Look is called, and each Keep. Failed is told of sizes that the pool refused.
func (s *Scaler) Run(ctx context.Context, failed func(n int, err error)) {
	tick := time.NewTicker(Keep)
	defer tick.Stop()
	for {
		if n, err := s.once(time.Now()); err != nil {
			failed(n, err)
		}
		select {
		case <-tick.C:
		case <-s.look:
		case <-ctx.Done():
			return
		}
	}
}

// Look says that there may be more to do; it costs next to nothing.
func (s *Scaler) Look() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// Bound changes the bounds, and has them looked at.
func (s *Scaler) Bound(least, most int) {
	s.mu.Lock()
	s.scale.Min, s.scale.Max = least, most
	s.mu.Unlock()
	s.Look()
}

// Scale is the state of now.
func (s *Scaler) Scale() Scale {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scale
}

// once scales the pool, and returns what it wanted.
func (s *Scaler) once(now time.Time) (int, error) {
	inHand, busy := s.load()
	s.mu.Lock()
	defer s.mu.Unlock()
	size := s.pool.Size()
	wanted := s.scale.Wanted(now, size, inHand, busy)
	if wanted == size {
		return wanted, nil
	}
	err := s.pool.Resize(wanted)
	if err == nil && wanted > size {
		s.scale.Grown = now
	}
	return wanted, err
}
