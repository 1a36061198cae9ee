package beat

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync"
	"time"
)

// A tenancy is what this process knows of its hold on the lock.
type tenancy struct {
	lock  Lock // nil: there is none, and this beat always leads
	lease time.Duration
	clock Clock
	log   *slog.Logger

	mu     sync.Mutex
	tenure int64 // 0: not held
	wall   time.Time
	steady time.Duration
	turned chan struct{} // gets a value when it was taken
}

const forever = time.Duration(math.MaxInt64)

// left returns the number of the tenure and how long it surely lasts, both 0 where it does not. Each clock may end it:
// the steady one does not see a machine asleep, and the wall clock may be put back.
func (t *tenancy) left() (tenure int64, left time.Duration) {
	if t.lock == nil {
		return 1, forever
	}
	wall, steady := t.clock()
	t.mu.Lock()
	defer t.mu.Unlock()
	left = min(t.steady-steady, t.wall.Sub(wall))
	if t.tenure == 0 || left <= 0 {
		return 0, 0
	}
	return t.tenure, left
}

// lose ends a tenure of which the lock itself said that it is over.
func (t *tenancy) lose(tenure int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.tenure == tenure {
		t.tenure = 0
	}
}

// keep takes the lock and prolongs it until ctx ends.
func (t *tenancy) keep(ctx context.Context) {
	told := ""
	for {
		said := t.ask(ctx)
		if said != told && said != "" {
			t.log.Info("waiting for the lock", "why", said)
		}
		told = said
		pause := t.lease / 3
		if said != "" {
			pause = t.lease / 10
		} else if _, left := t.left(); left < t.lease/2 {
			pause = t.lease / 100 // the answer came late: this process was stopped, or the server is slow
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// ask tries to take or to prolong the lock, and returns why it is not held.
func (t *tenancy) ask(ctx context.Context) string {
	wall, steady := t.clock() // before the call: what the lock counts starts later
	within, cancel := context.WithTimeout(ctx, t.lease/3)
	defer cancel()
	tenure, err := t.lock.Acquire(within, t.lease)
	var held HeldError
	switch {
	case err == nil:
	case errors.As(err, &held):
		t.mu.Lock()
		t.tenure = 0
		t.mu.Unlock()
		return err.Error()
	default:
		return "it cannot be reached: " + err.Error()
	}
	sure := t.lease - t.lease/10
	t.mu.Lock()
	taken := t.tenure != tenure
	t.tenure, t.wall, t.steady = tenure, wall.Add(sure), steady+sure
	t.mu.Unlock()
	if taken {
		select {
		case t.turned <- struct{}{}:
		default:
		}
	}
	return ""
}

// release lets the next beat begin at once.
func (t *tenancy) release() {
	if t.lock == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.lease/3)
	defer cancel()
	if err := t.lock.Release(ctx); err != nil {
		t.log.Warn("cannot give up the lock: it ends with its lease", "error", err)
	}
}
