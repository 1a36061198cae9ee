package harness_test

import (
	"strings"
	"testing"
	"time"

	"taskbench/harness/scenario"
)

// A worker that is asked to leave does it in the way that the fault says: warm it waits for what runs, soft for half a second,
// and cold it does not. What was cut off is run again, by the worker that comes back, and nothing is lost.
func TestStopOfAWorkerInEachMode(t *testing.T) {
	const length, softly, at = 5 * time.Second, 500 * time.Millisecond, 500 * time.Millisecond
	for mode, want := range map[string]struct {
		least, most time.Duration // until it had left
		cuts        bool
	}{
		"warm": {least: length - at, most: time.Minute},
		"soft": {least: softly, most: length - at, cuts: true},
		"cold": {most: length - at, cuts: true}, // below half a second, on a machine that has nothing else to do
	} {
		for _, pool := range []string{"goroutine", "prefork"} {
			t.Run(mode+"/"+pool, func(t *testing.T) {
				t.Parallel() // it mostly waits
				s := small(pool, scenario.TaskMix{Task: "io", Via: "sleep", Duration: constant(length), Weight: 1})
				s.Load.Rate, s.Load.For = 6, 2*time.Second
				s.System.Concurrency = 12
				s.Faults = []scenario.Fault{{At: at, Fault: "stop", Node: "worker", For: 300 * time.Millisecond, Params: map[string]string{"mode": mode}, Number: 1}}
				c, h, _ := runCell(t, s)
				if len(c.Faults) != 1 || !strings.HasPrefix(c.Faults[0].Proof, mode+" stop; processes ") {
					t.Fatalf("faults %+v, warnings %q", c.Faults, c.Warnings)
				}
				f := c.Faults[0]
				took := time.Duration((f.InEffect - f.At) * float64(time.Second))
				if took < want.least-50*time.Millisecond || took > want.most {
					t.Errorf("it left within %v, want %v to %v", took, want.least, want.most)
				}
				cut := 0
				for task := range h.All() {
					for _, a := range task.Attempts {
						if a.Started != 0 && time.Duration(a.Finished-a.Started) < length-50*time.Millisecond {
							cut++
						}
					}
				}
				if (cut > 0) != want.cuts {
					t.Errorf("%d tasks were cut off", cut)
				}
				if n := c.Counts; n.Executed != n.Attempted || n.Lost+n.Stuck+n.Orphaned > 0 || n.Attempted == 0 {
					t.Errorf("%s: counts %+v", c.Outcome, n)
				}
			})
		}
	}
}
