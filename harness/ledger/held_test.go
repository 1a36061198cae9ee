package ledger

import (
	"math/rand/v2"
	"testing"
)

func TestHeld(t *testing.T) {
	r := NewRecorder(NewRun(rand.NewPCG(1, 1)), 0)
	for seq := range uint64(7) {
		r.Due(seq, 1)
	}
	const parent, child, dead = 10, 11, 12
	apply := func(task, attempt uint64, pid uint32, kind Kind, o Outcome) {
		r.Apply(Event{Task: task, Attempt: attempt, PID: pid, At: 1000 * int64(kind), Kind: kind, Outcome: o})
	}
	apply(0, 1, parent, Received, None) // prefetched: held
	apply(1, 2, parent, Received, None) // running in a child: held
	apply(1, 2, child, Started, None)
	apply(2, 3, parent, Received, None) // done
	apply(2, 3, child, Started, None)
	apply(2, 3, child, Finished, OK)
	apply(3, 4, parent, Received, None) // given back
	apply(3, 4, parent, Returned, None)
	apply(4, 5, dead, Received, None) // died with its worker; held again by another
	apply(4, 6, parent, Received, None)
	apply(5, 7, parent, Received, None) // expired: acknowledged unrun
	apply(5, 7, parent, Acked, None)
	apply(6, 8, parent, Received, None) // acknowledged early and running: held
	apply(6, 8, parent, Acked, None)
	apply(6, 8, parent, Started, None)
	if got := r.Held(func(pid uint32) bool { return pid != dead }); got != 4 {
		t.Errorf("held %d, want 4", got)
	}
}
