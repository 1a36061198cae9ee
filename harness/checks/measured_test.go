package checks

import (
	"testing"

	"taskbench/harness/ledger"
)

// The warm-up is not measured, and what goes wrong in it is not hidden either.
func TestWarmUpIsCountedApart(t *testing.T) {
	h := given(acked(good(5)), acked(), acked(good(5), good(30)), acked(good(50)), acked(), ledger.Task{Attempts: []ledger.Attempt{good(60)}})
	h.due = 5
	for i := range h.tasks {
		h.tasks[i].Due = int64(i+1) * ms
	}
	h.meta.Phases = []ledger.Phase{{Name: "warmup", From: 0, To: 3*ms + 1}, {Name: "steady", From: 3*ms + 1, To: 100 * ms}}
	r := Run(h)
	if c := r.Counts; c.Due != 2 || c.Attempted != 2 || c.Executed != 2 || c.Lost != 1 || c.Duplicated != 0 || c.Unexpected != 1 {
		t.Errorf("measured: %+v", c)
	}
	if c := r.WarmUp; c.Due != 3 || c.Attempted != 3 || c.Executed != 2 || c.Lost != 1 || c.Duplicated != 1 || c.Unexpected != 0 {
		t.Errorf("warm-up: %+v", c)
	}
	if r.Broken() != "" {
		t.Errorf("the books of the whole: %s", r.Broken())
	}
	h.meta.Tally = &ledger.Tally{Due: 5, OK: 4, Executed: 3, Duplicates: 1}
	if r := Run(h); r.Broken() == "" {
		t.Error("a recorder that counted another number of acknowledged publishes, the warm-up's among them, was believed")
	}
}
