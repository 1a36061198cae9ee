package oracle

import "taskbench/harness/ledger"

// The kinds of tasks, and how many of a hundred are of each. What is stale has expired when its time has come: workers
// acknowledge it unrun.
const (
	plain uint8 = 1 + iota
	waiting
	stale
	limited
	retrying
	other
	asked
)

var kinds = []ledger.Terms{
	plain - 1:    {Task: "plain", Queue: "a", Keys: 8},
	waiting - 1:  {Task: "waiting", Queue: "a", ETA: 60 * ms},
	stale - 1:    {Task: "stale", Queue: "a", ETA: 60 * ms, Expires: 30 * ms},
	limited - 1:  {Task: "limited", Queue: "a", Limit: 50 * ms},
	retrying - 1: {Task: "retrying", Queue: "a", Retries: 2},
	other - 1:    {Task: "other", Queue: "b"},
	asked - 1:    {Task: "asked", Queue: "a", Soft: 30 * ms},
}

var shares = []int{plain - 1: 54, waiting - 1: 8, stale - 1: 2, limited - 1: 6, retrying - 1: 4, other - 1: 20, asked - 1: 6}

func (s *sim) pick() uint8 {
	n := s.rng.IntN(100)
	for i, share := range shares {
		if n -= share; n < 0 {
			return uint8(i + 1)
		}
	}
	return plain
}

// terms are those of a task; the bodies of chords, and what the broker made up, have none.
func (s *sim) terms(seq uint64) ledger.Terms {
	if k := s.of(seq).kind; k > 0 {
		return kinds[k-1]
	}
	return ledger.Terms{}
}
