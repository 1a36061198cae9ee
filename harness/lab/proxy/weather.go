package proxy

import (
	"math/rand/v2"
	"sync"
	"time"
)

// weather is what the links of a door meet now. It is replaced, never changed, and over is closed at that moment.
type weather struct {
	silentUp, silentDown bool
	delay, jitter        time.Duration
	seed                 uint64
	rate                 int64 // bytes a second in each direction; 0 is as fast as can be
	up, down             *lane // of the rate
	linger               time.Duration
	over                 chan struct{}
}

func (s *weather) slow() bool { return s.delay > 0 || s.jitter > 0 }

// silent tells whether nothing passes in a direction.
func (s *weather) silent(up bool) bool {
	if up {
		return s.silentUp
	}
	return s.silentDown
}

// draw is the delay of one piece: uniform between delay-jitter and delay+jitter, never negative.
func (s *weather) draw(r *rand.Rand) time.Duration {
	d := s.delay
	if s.jitter > 0 {
		d += time.Duration(r.Int64N(2*int64(s.jitter)+1)) - s.jitter
	}
	return max(d, 0)
}

// part is how much may be sent in one go, so that what is slow flows and does not come in bursts.
func (s *weather) part() int { return int(min(max(s.rate/20, 1), 64<<10)) }

// lane is what a direction's data share.
func (s *weather) lane(up bool) *lane {
	if up {
		return s.up
	}
	return s.down
}

// A lane is one direction of a slow network, which all connections share.
type lane struct {
	mu   sync.Mutex
	free time.Time // when all that was let on it has passed
}

// reserve takes the place of n bytes at the rate, and returns when they have passed.
func (l *lane) reserve(n int, rate int64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	return l.free
}
