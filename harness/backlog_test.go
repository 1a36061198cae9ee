package harness_test

import (
	"strings"
	"testing"
	"time"

	"taskbench/harness/scenario"
)

// A broker that is killed while nothing waits in it has nothing to lose: the cell says so, and else how much waited.
func TestWhatWaitedWhenTheBrokerEnded(t *testing.T) {
	const warning = "nothing waited in the broker when it met kill"
	brief := scenario.TaskMix{Task: "noop", Weight: 1}
	long := scenario.TaskMix{Task: "io", Weight: 1, Duration: scenario.Dist{Kind: "constant", P50: 150 * time.Millisecond}}
	for name, test := range map[string]struct {
		task    scenario.TaskMix
		rate    float64
		fault   string
		waiting bool
	}{
		"idle":       {brief, 1, "kill", false}, // between two tasks that are a second apart
		"overloaded": {long, 60, "kill", true},
		"cut off":    {brief, 1, "disconnect", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := small("goroutine", test.task)
			s.Load.Rate, s.Load.For, s.Expect = test.rate, 2*time.Second, []scenario.Expect{{Expr: "unexpected == 0"}}
			s.System.Prefetch = 4
			s.Faults = []scenario.Fault{{At: 700 * time.Millisecond, Fault: test.fault, Node: "broker", For: 200 * time.Millisecond}}
			c, _, _ := runOn(t, "memory", "embedded", s)
			if len(c.Faults) != 1 {
				t.Fatalf("faults %+v", c.Faults)
			}
			n := c.Faults[0].Waiting
			if (n != nil) != (test.fault == "kill") || n != nil && (*n > 0) != test.waiting {
				t.Errorf("%s: %v waited", test.fault, n)
			}
			if warned := strings.Contains(strings.Join(c.Warnings, "\n"), warning); warned != (n != nil && *n == 0) {
				t.Errorf("warnings %q", c.Warnings)
			}
			if test.waiting && c.Counts.Lost == 0 {
				t.Errorf("%d waited in the memory of a broker that was killed, and none was lost", *n)
			}
		})
	}
}
