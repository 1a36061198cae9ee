package harness_test

import (
	"strings"
	"testing"
	"time"

	"taskbench/harness/scenario"
)

// A worker that is asked to leave does it in the way that the fault says: warm it waits for what runs, soft for half a second,
// and cold it does not. What was cut off is run again, by the worker that comes back, and nothing is lost. One after the other:
// how long they take to leave is measured.
func TestStopOfAWorkerInEachMode(t *testing.T) {
	const length, softly, at = 2 * time.Second, 500 * time.Millisecond, 500 * time.Millisecond
	t.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector each process would take a second to end
	for mode, want := range map[string]struct {
		least, most time.Duration // until it had left
		cuts        bool
	}{
		"warm": {least: length - at, most: time.Minute},
		"soft": {least: softly, most: length - at, cuts: true},
		"cold": {most: softly, cuts: true},
	} {
		for _, pool := range []string{"goroutine", "prefork"} {
			t.Run(mode+"/"+pool, func(t *testing.T) {
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
