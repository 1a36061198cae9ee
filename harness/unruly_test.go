package harness_test

import (
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

func constant(d time.Duration) scenario.Dist { return scenario.Dist{Kind: "constant", P50: d} }

// whole tells of a cell in which nothing went wrong but what was ordered: these were executed, and those kept aside.
func whole(t *testing.T, c harness.Cell, executed, aside int) {
	t.Helper()
	n := c.Counts
	if n.Attempted == 0 || n.Acknowledged != n.Attempted || executed+aside != n.Attempted {
		t.Errorf("of %d tasks %d were acknowledged; %d were to be executed and %d kept aside", n.Attempted, n.Acknowledged, executed, aside)
	}
	if n.Executed != executed || n.Malformed != aside {
		t.Errorf("executed %d, want %d; kept aside %d, want %d", n.Executed, executed, n.Malformed, aside)
	}
	if n.Lost+n.Duplicated+n.Orphaned+n.Stuck+n.Stalls+n.Unexpected > 0 || n.Redelivered > 0 {
		t.Errorf("counts %+v; findings %+v", n, c.Findings)
	}
}

// A message that no worker can run is kept aside, each just once, and the rest runs.
func TestPoison(t *testing.T) {
	for _, pool := range []string{"goroutine", "prefork"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			c, h, mix := runCell(t, small(pool, scenario.TaskMix{Task: "noop", Weight: 3},
				scenario.TaskMix{Task: "poison", Flaw: "name", Weight: 1}, scenario.TaskMix{Task: "poison", Flaw: "body", Weight: 1}))
			poisoned := 0
			for task := range h.All() {
				poison := mix.Task(task.Seq) == "poison"
				if poison {
					poisoned++
				}
				if len(task.Attempts) != 1 || task.Attempts[0].Malformed != poison || (task.Attempts[0].Started != 0) == poison {
					t.Errorf("task %d, poisoned: %v: %+v", task.Seq, poison, task.Attempts)
				}
			}
			if poisoned == 0 {
				t.Fatal("no message was poisoned")
			}
			whole(t, c, c.Counts.Attempted-poisoned, poisoned)
		})
	}
}

// A task that does not heed its soft limit runs on to its end, or to its hard limit, at which a pool with processes kills
// and another abandons: nobody waits for it.
func TestStubborn(t *testing.T) {
	const soft, hard, hold = 20 * time.Millisecond, 150 * time.Millisecond, 80 * time.Millisecond
	for _, pool := range []string{"goroutine", "prefork", "green"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			s := small(pool, scenario.TaskMix{Task: "noop", Weight: 6},
				scenario.TaskMix{Task: "stubborn", Duration: constant(hold), Soft: soft, Weight: 1},
				scenario.TaskMix{Task: "stubborn", Duration: constant(5 * time.Minute), Soft: soft, Limit: hard, Weight: 1})
			c, h, mix := runCell(t, s)
			n, meta := map[string]int{}, h.Meta()
			for task := range h.All() {
				terms, _ := meta.Asked(&task)
				if mix.Task(task.Seq) != "stubborn" || len(task.Attempts) != 1 {
					continue
				}
				a := task.Attempts[0]
				want, least := ledger.OK, hold
				if terms.Limit > 0 {
					want, least = ledger.TimedOut, hard
				}
				n[want.String()]++
				if ran := time.Duration(a.Finished - a.Started); a.Outcome != want || ran < least-time.Millisecond {
					t.Errorf("task %d ended with %v after %v, want %v after %v", task.Seq, a.Outcome, ran, want, least)
				}
			}
			if n["ok"] == 0 || n["timed-out"] == 0 {
				t.Fatalf("there were too few stubborn tasks: %v", n)
			}
			whole(t, c, c.Counts.Attempted, 0)
			for _, v := range c.Checks {
				if v.Check == "time-limit" && (v.Count != 0 || v.Examined != n["timed-out"]) {
					t.Errorf("time limits: %+v, of %v", v, n)
				}
				if v.Check == "soft-limit" && (v.Count != 0 || v.Examined != n["ok"]+n["timed-out"]) {
					t.Errorf("soft limits: %+v, of %v", v, n)
				}
			}
		})
	}
}

// While a task blocks the loop nothing else of its process begins or ends where there is one loop for all, and where there
// is none the others go on.
func TestBlocker(t *testing.T) {
	const block, clocks = 150 * time.Millisecond, 10 * time.Millisecond
	for pool, stops := range map[string]bool{"green": true, "threads": false} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			c, h, mix := runCell(t, small(pool, scenario.TaskMix{Task: "noop", Weight: 12}, scenario.TaskMix{Task: "blocker", Duration: constant(block), Weight: 1}))
			whole(t, c, c.Counts.Attempted, 0)
			type span struct {
				pid      uint32
				from, to int64
			}
			var blocked []span
			for task := range h.All() {
				if mix.Task(task.Seq) == "blocker" {
					a := task.Attempts[0]
					if took := time.Duration(a.Finished - a.Started); took < block {
						t.Errorf("it blocked for %v only", took)
					}
					blocked = append(blocked, span{a.PID, a.Started + int64(clocks), a.Started + int64(block-clocks)})
				}
			}
			ran := 0
			for task := range h.All() {
				for _, b := range blocked {
					if a := task.Attempts[0]; a.PID == b.pid && (a.Started > b.from && a.Started < b.to || a.Finished > b.from && a.Finished < b.to) {
						ran++
					}
				}
			}
			if len(blocked) == 0 || stops && ran > 0 || !stops && ran == 0 {
				t.Errorf("while %d blockers had the loop, %d others began or ended", len(blocked), ran)
			}
		})
	}
}

// A huge result gets from where it was made to who acknowledges the task.
func TestBulky(t *testing.T) {
	for _, pool := range []string{"prefork", "green"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			c, h, mix := runCell(t, small(pool, scenario.TaskMix{Task: "noop", Weight: 9}, scenario.TaskMix{Task: "bulky", Result: 8 << 20, Weight: 1}))
			bulky := 0
			for task := range h.All() {
				if mix.Task(task.Seq) == "bulky" {
					bulky++
				}
				if a := task.Attempts[0]; a.Outcome != ledger.OK || a.Acked == 0 {
					t.Errorf("%s task %d: %+v", mix.Task(task.Seq), task.Seq, a)
				}
			}
			if bulky == 0 {
				t.Fatal("no task was bulky")
			}
			whole(t, c, c.Counts.Attempted, 0)
		})
	}
}
