package harness

import (
	"iter"
	"time"

	"taskbench/harness/load"
)

// A load that ended before its last fault was healed could not show the recovery: a broker may take long to come
// back. So it goes on, at its last rate, until settle after the healing, and for longest at most.
const (
	settle  = 2 * time.Second
	longest = 2 * time.Minute
)

// span is how long the scenario's load lasts, warm-up included.
func (s *stage) span() time.Duration { return s.cell.Scenario.Load.Warmup + s.cell.Scenario.Load.For }

// pace yields when the tasks of the cell are due, those past the span of the load as long as they are needed.
func (s *stage) pace() (iter.Seq[time.Duration], error) {
	l := s.cell.Scenario.Load
	due, err := load.Pace(l, s.plan.Seed)
	if err != nil || len(s.cell.Scenario.Faults) == 0 || l.Rate == 0 {
		return due, err
	}
	s.pending = len(s.cell.Scenario.Faults)
	more := load.Constant(l.Rate, longest)
	if l.Shape == "poisson" {
		more = load.Poisson(l.Rate, longest, s.random(morePace).Uint64())
	}
	span := s.span()
	return func(yield func(time.Duration) bool) {
		for at := range load.After(due, span, more) {
			if at >= span {
				if !s.unsettled() {
					return
				}
				s.paced.Store(int64(at) + 1) // the task that is due then is still one of the load's
			}
			if !yield(at) {
				return
			}
		}
	}, nil
}

// unsettled tells whether a fault of the schedule is not over yet, or was healed just now.
func (s *stage) unsettled() bool {
	s.forceMu.Lock()
	defer s.forceMu.Unlock()
	return s.pending > 0 || s.healedAny.Load() && s.now()-s.healedAt.Load() < int64(settle)
}
