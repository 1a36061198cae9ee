package autoscale

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWanted(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	for _, c := range []struct {
		why                string
		grown              time.Duration // before now; 0 never
		size, inHand, busy int
		want               int
	}{
		{"grows at once by all of it", time.Second, 3, 8, 3, 8},
		{"no further than the bound", 0, 3, 80, 3, 10},
		{"nothing to do yet: the least", 0, 2, 0, 0, 2},
		{"below the least", 0, 0, 0, 0, 2},
		{"has just grown", 29 * time.Second, 8, 4, 4, 8},
		{"exactly then it is kept", 30 * time.Second, 8, 4, 4, 8},
		{"long enough ago", 31 * time.Second, 8, 4, 4, 4},
		{"never grew", 0, 8, 0, 0, 2},
		{"not below what runs", time.Minute, 8, 0, 5, 5},
		{"above a bound that was lowered", time.Second, 20, 0, 0, 2},
		{"above it, and busy", time.Second, 20, 30, 15, 15},
		{"more run than there are places, while it shrinks", time.Second, 12, 30, 15, 12},
	} {
		s := Scale{Min: 2, Max: 10}
		if c.grown > 0 {
			s.Grown = now.Add(-c.grown)
		}
		if got := s.Wanted(now, c.size, c.inHand, c.busy); got != c.want {
			t.Errorf("%s: from %d with %d in hand and %d busy to %d, want %d", c.why, c.size, c.inHand, c.busy, got, c.want)
		}
	}
}

type pool struct {
	size   atomic.Int64
	refuse error
}

func (p *pool) Size() int { return int(p.size.Load()) }

func (p *pool) Resize(n int) error {
	if p.refuse == nil {
		p.size.Store(int64(n))
	}
	return p.refuse
}

func TestScalerFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inHand atomic.Int64
		p := &pool{}
		p.size.Store(1)
		s := New(p, Scale{Min: 1, Max: 10}, func() (int, int) { return int(inHand.Load()), 0 })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan bool)
		go func() {
			s.Run(ctx, func(n int, err error) { t.Errorf("%d: %v", n, err) })
			close(ended)
		}()
		size := func(want int, after time.Duration) {
			t.Helper()
			<-time.After(after) // of the bubble
			synctest.Wait()
			if got := p.Size(); got != want {
				t.Errorf("size %d, want %d", got, want)
			}
		}
		inHand.Store(7)
		s.Look()
		size(7, 0) // at once
		inHand.Store(2)
		s.Look()
		size(7, 29*time.Second)
		size(2, 32*time.Second) // at the second tick: the first comes just as Keep is over
		s.Bound(4, 6)
		size(4, 0)
		if got := s.Scale(); got.Min != 4 || got.Max != 6 || got.Grown.IsZero() {
			t.Errorf("%+v", got)
		}
		cancel()
		<-ended
	})
}

func TestScalerToldNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pool{refuse: errors.New("no")}
		s := New(p, Scale{Min: 3, Max: 4}, func() (int, int) { return 0, 0 })
		ctx, cancel := context.WithCancel(t.Context())
		told := make(chan int, 1)
		go s.Run(ctx, func(n int, err error) { told <- n })
		if n := <-told; n != 3 {
			t.Errorf("told of %d, want 3", n)
		}
		if !s.Scale().Grown.IsZero() {
			t.Error("it is said to have grown")
		}
		cancel()
	})
}
