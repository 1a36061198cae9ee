package harness_test

import (
	"math"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// onClock is a scenario in which the worker's clock is off for a while.
func onClock(pool, fault, param, value string, mixes ...scenario.TaskMix) scenario.Scenario {
	s := small(pool, mixes...)
	s.System.Prefetch = 200 // what waits for its time is in the worker
	s.Faults = []scenario.Fault{{
		Number: 1, At: 300 * time.Millisecond, Fault: fault, Node: "worker", For: 1200 * time.Millisecond, Params: map[string]string{param: value},
	}}
	return s
}

// off is when the clock was certainly off, and when it may have been, in the run's own time.
func off(t *testing.T, c harness.Cell, h *ledger.Frozen) (surely, maybe [2]int64) {
	t.Helper()
	if len(c.Faults) != 1 || len(h.Meta().Faults) != 1 || c.Faults[0].Proof == "" || h.Meta().Faults[0].Healed == 0 {
		t.Fatalf("faults %+v; warnings %q", c.Faults, c.Warnings)
	}
	f := h.Meta().Faults[0]
	t.Log(f.Proof)
	return [2]int64{f.InEffect, f.Healing}, [2]int64{f.At, f.Healed}
}

func found(t *testing.T, c harness.Cell, check string) harness.Checked {
	t.Helper()
	for _, v := range c.Checks {
		if v.Check == check {
			return v
		}
	}
	t.Fatalf("there is no check %s", check)
	return harness.Checked{}
}

const allowed = int64(20 * time.Millisecond) // by the checks, for clocks

// A worker whose clock is put forward runs early what is to wait, as the ledger sees it by its own clock, and nothing else
// goes by that clock: what has a time limit is not cut off, and nothing is lost or run twice.
func TestClockAhead(t *testing.T) {
	const eta = 2 * time.Second
	for _, pool := range []string{"prefork"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			c, h, mix := runCell(t, onClock(pool, "clock-jump", "by", "1h",
				scenario.TaskMix{Task: "noop", ETA: eta, Weight: 3},
				scenario.TaskMix{Task: "io", Via: "sleep", Duration: constant(50 * time.Millisecond), Limit: time.Minute, Weight: 1}))
			_, maybe := off(t, c, h)
			early := 0
			for task := range h.All() {
				a := task.Attempts[0]
				switch {
				case mix.Task(task.Seq) == "io":
					if a.Outcome != ledger.OK {
						t.Errorf("task %d ended with %v", task.Seq, a.Outcome)
					}
				case a.Started < task.Due+int64(eta)-allowed:
					early++
					if a.Started < maybe[0] || a.Started > maybe[1] {
						t.Errorf("task %d was started early, and its clock was right", task.Seq)
					}
				}
			}
			if v := found(t, c, "eta-early"); v.Count != early || early == 0 {
				t.Errorf("%d tasks were started early, and %d found", early, v.Count)
			}
			if v := found(t, c, "time-limit"); v.Count != 0 || v.Examined == 0 {
				t.Errorf("time limits: %+v", v)
			}
			whole(t, c, c.Counts.Attempted, 0)
		})
	}
}

// A worker whose clock is put back runs late what is to wait, once the clock is right again.
func TestClockBehind(t *testing.T) {
	const eta = 400 * time.Millisecond
	for _, pool := range []string{"goroutine"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel() // it mostly waits
			c, h, _ := runCell(t, onClock(pool, "clock-jump", "by", "-1h", scenario.TaskMix{Task: "noop", ETA: eta, Weight: 1}))
			surely, _ := off(t, c, h)
			late, handed := 0, 0
			for task := range h.All() {
				handed += len(task.Attempts)
				started := task.Attempts[len(task.Attempts)-1].Started
				due := task.Due + int64(eta)
				if started > surely[0] && started < surely[1] && due > surely[0] {
					t.Errorf("task %d was started while its clock was an hour behind", task.Seq)
				}
				if due > surely[0] && due < surely[1] {
					late++
				}
			}
			if late == 0 {
				t.Error("no task was to be run meanwhile")
			}
			if n := c.Counts; n.Lost+n.Duplicated+n.Stuck > 0 || n.Executed != n.Attempted || handed > 3*n.Attempted {
				t.Errorf("counts %+v; %d deliveries of %d tasks", n, handed, n.Attempted)
			}
			if v := found(t, c, "eta-early"); v.Count != 0 {
				t.Errorf("started early: %+v", v)
			}
		})
	}
}

// What expires by a clock that is an hour ahead is dropped an hour too early. The judge does not call that expired.
func TestClockAheadLetsTasksExpire(t *testing.T) {
	t.Parallel() // it mostly waits
	c, h, _ := runCell(t, onClock("prefork", "clock-jump", "by", "1h", scenario.TaskMix{Task: "noop", Expires: 30 * time.Minute, Weight: 1}))
	surely, maybe := off(t, c, h)
	dropped := 0
	for task := range h.All() {
		a := task.Attempts[0]
		switch {
		case a.Started == 0 && a.Acked != 0:
			dropped++
			if a.Acked < maybe[0] || a.Received > maybe[1] {
				t.Errorf("task %d was dropped, and its clock was right", task.Seq)
			}
		case a.Received > surely[0] && a.Started < surely[1]:
			t.Errorf("task %d was run, and by its worker's clock it had expired", task.Seq)
		}
	}
	if c.Counts.Lost != dropped || dropped == 0 || c.Counts.Executed+dropped != c.Counts.Attempted {
		t.Errorf("%d were dropped: %+v", dropped, c.Counts)
	}
}

// A clock that goes at half or double speed is proved to, and what waits for its time comes late or early by what it is off.
func TestClockSkew(t *testing.T) {
	for rate, sign := range map[string]int64{"-50%": 1} {
		t.Run(rate, func(t *testing.T) {
			t.Parallel() // it mostly waits
			const eta = time.Second
			c, h, _ := runCell(t, onClock("goroutine", "clock-skew", "rate", rate, scenario.TaskMix{Task: "noop", ETA: eta, Weight: 1}))
			_, maybe := off(t, c, h)
			farthest := int64(0)
			for task := range h.All() {
				wrong := sign * (task.Attempts[0].Started - task.Due - int64(eta))
				if wrong < -allowed-int64(time.Second) {
					t.Errorf("task %d was started %v to the other side", task.Seq, time.Duration(-wrong))
				}
				farthest = max(farthest, wrong)
			}
			if most := float64(maybe[1] - maybe[0]); float64(farthest) < 100e6 || float64(farthest) > most+float64(time.Second) {
				t.Errorf("the farthest off was %v, while the clock was off for %v", time.Duration(farthest), time.Duration(math.Round(most)))
			}
			whole(t, c, c.Counts.Attempted, 0)
		})
	}
}

// A worker that is slow to start again, with children that are, costs time and no task. Its child is slow as well.
func TestSlowStart(t *testing.T) {
	t.Parallel() // it mostly waits
	const delay = 300 * time.Millisecond
	s := onClock("prefork", "slow-start", "delay", "300ms", scenario.TaskMix{Task: "noop", Weight: 1})
	c, h, _ := runCell(t, s)
	surely, maybe := off(t, c, h)
	if took := time.Duration(surely[0] - maybe[0]); took < 2*delay {
		t.Errorf("with a parent and a child that take %v each it was back after %v", delay, took)
	}
	if n := c.Counts; n.Attempted == 0 || n.Lost+n.Stuck+n.Orphaned > 0 || n.Executed != n.Attempted {
		t.Errorf("counts %+v", n)
	}
}
