// Package health tells the world outside how a worker is: metrics for Prometheus, and two questions that an
// orchestrator asks, whether the worker hangs and whether it takes work.
//
// The metrics have the names and labels of celery-exporter, so that its dashboards and alerts work, and the package
// takes github.com/prometheus/client_golang to write them: the format has corners, and it is the reference.
package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// DefaultPatience is how long a worker may stand still before it counts as hung.
const DefaultPatience = 30 * time.Second

// A Source is what the server asks. The worker fills it in; every function may be called at any time, from many
// goroutines, and must answer at once.
type Source struct {
	Node     string                                               // the worker's node name, a label of its metrics
	Queues   []string                                             // that it consumes
	Status   func() Status                                        // needed
	Depth    func(ctx context.Context, queue string) (int, error) // ready messages; nil: the broker cannot count
	Dropped  func() uint64                                        // events that were lost to their bound; nil: none are sent
	Aside    func() uint64                                        // messages that were kept aside; nil: nobody counts them
	Patience time.Duration                                        // 0 is DefaultPatience
}

// A Status is a worker at one moment.
type Status struct {
	Turned   time.Time // when its main loop last came round, working or idle; see Pulse
	Loop     string    // which loop that is, of several the one that stands longest; "" is the main loop
	Stopping bool      // it takes no more work, and finishes what it has

	Connected bool // to the broker
	Consuming bool // from its queues
	Slots     int  // tasks that the pool can run at a time now: 0 when it has no live child
	Busy      int  // slots taken
	Overdue   int  // of them, by tasks beyond their last time limit: the hard one, or the soft one where there is no other

	Waiting  int       // tasks in hand that could run now: not those for later, rate limited or paused ones
	Oldest   time.Time // since when the first of them has been waiting
	Started  time.Time // when a task was last started; zero: never
	Finished time.Time // when a slot was last freed; zero: never
	Late     time.Time // when the last of the overdue tasks came to its limit
}

// Hung returns why the worker makes no progress though it could, or nil. A worker is busy, and not hung, when all its
// slots are taken by tasks within their limits, however long its queue is; idle when nothing waits; and it does not
// hang for having no broker: it reconnects, and Ready tells.
func (s Status) Hung(now time.Time, patience time.Duration) error {
	if still := now.Sub(s.Turned); still > patience {
		return fmt.Errorf("hung: the %s has not turned for %v", cmp.Or(s.Loop, "main loop"), still.Round(time.Second))
	}
	if s.Waiting > 0 && (s.Slots > s.Busy || s.Slots == 0) {
		since := latest(s.Oldest, s.Started, s.Finished)
		if still := now.Sub(since); still > patience && !since.IsZero() {
			if s.Slots == 0 {
				return fmt.Errorf("hung: %d tasks wait, the pool has no live child, and nothing was started for %v", s.Waiting, still.Round(time.Second))
			}
			return fmt.Errorf("hung: %d tasks wait, %d of %d slots are free, and nothing was started for %v", s.Waiting, s.Slots-s.Busy, s.Slots, still.Round(time.Second))
		}
	}
	if s.Slots > 0 && s.Overdue >= s.Slots {
		if still := now.Sub(latest(s.Started, s.Finished, s.Late)); still > patience {
			return fmt.Errorf("hung: all %d slots are taken by tasks beyond their time limit, and none came free for %v", s.Slots, still.Round(time.Second))
		}
	}
	return nil
}

// Ready returns why the worker takes no work, or nil. All reasons are named.
func (s Status) Ready() error {
	var errs []error
	if s.Stopping {
		errs = append(errs, errors.New("it is stopping"))
	}
	if !s.Connected {
		errs = append(errs, errors.New("it is not connected to the broker"))
	} else if !s.Consuming {
		errs = append(errs, errors.New("it does not consume"))
	}
	if s.Slots <= 0 {
		errs = append(errs, errors.New("its pool has no live child"))
	}
	if len(errs) > 0 {
		return fmt.Errorf("not ready: %w", errors.Join(errs...))
	}
	return nil
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// A Pulse is touched by a loop that must not stand still, each time it comes round: at least some times within a
// patience, also when there is nothing to do. It counts time that the process was stopped as standing still, but not
// changes of the wall clock. The zero value has never been touched.
type Pulse struct{ last atomic.Pointer[time.Time] }

// Touch notes that the loop came round.
func (p *Pulse) Touch() {
	now := time.Now()
	p.last.Store(&now)
}

// Last is when it last did, for Status.Turned.
func (p *Pulse) Last() time.Time {
	if t := p.last.Load(); t != nil {
		return *t
	}
	return time.Time{}
}
