package harness_test

import (
	"testing"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/scenario"
	"taskbench/harness/scenario/expect"
)

// Real beats, one of which is killed, are judged by the ticks that came.
func TestBeatIsKilledAndMakesUp(t *testing.T) {
	t.Parallel()
	s := small("goroutine", scenario.TaskMix{Task: "noop", Weight: 1})
	s.Load.For = 3 * time.Second
	s.System.Beat = scenario.Beat{Every: 200 * time.Millisecond, Entries: 2, Beats: 1, CatchUp: "all", Late: 20 * time.Second}
	s.Faults = []scenario.Fault{{Number: 1, At: 700 * time.Millisecond, Fault: "kill", Node: "beat", For: time.Second}}
	c, h, _ := runCell(t, s)
	if len(c.Faults) != 1 || c.Faults[0].Node != "beat-1" || c.Faults[0].Healed == 0 {
		t.Errorf("faults %+v", c.Faults)
	}
	late := 0
	for _, tick := range h.Meta().Ticks {
		if len(tick.Sent) != 1 {
			t.Errorf("tick of %s at %v came at %v", tick.Entry, time.Duration(tick.Due), tick.Sent)
		} else if tick.Sent[0]-tick.Due > int64(500*time.Millisecond) {
			late++
		}
	}
	if n := len(h.Meta().Ticks); n < 25 || late == 0 {
		t.Errorf("%d ticks, of which %d were late: want about 30, and those of a second late", n, late)
	}
	facts, err := expect.FactsOf(c)
	if err != nil {
		t.Fatal(err)
	}
	if found := facts["check"].(map[string]any); found["tick_missed"] != 0.0 || found["tick_repeated"] != 0.0 || found["tick_late"] != 0.0 {
		t.Errorf("found %v", found)
	}
}

// A beat whose clock is off sends no tick twice, and each when it is due by that clock: when it is put back they wait until it
// is set right again, later than the schedule allows by the right time; when it is fast they are early. Nothing of that is found.
func TestTicksByTheClockOfABeat(t *testing.T) {
	for name, c := range map[string]struct {
		fault, param, value string
		late                bool // or early
	}{"put back": {"clock-jump", "by", "-1h", true}, "fast": {"clock-skew", "rate", "50%", false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			const bound = 1500 * time.Millisecond
			s := small("goroutine", scenario.TaskMix{Task: "noop", Weight: 1})
			s.Load.For = 5 * time.Second
			s.System.Beat = scenario.Beat{Every: 200 * time.Millisecond, Entries: 1, Beats: 1, CatchUp: "all", Late: bound}
			s.Faults = []scenario.Fault{{
				Number: 1, At: 700 * time.Millisecond, Fault: c.fault, Node: "beat", For: 3 * time.Second, Params: map[string]string{c.param: c.value},
			}}
			cell, h, _ := runCell(t, s)
			f := h.Meta().Faults
			if len(f) != 1 || f[0].Node != "beat-1" || f[0].Healed == 0 || f[0].Ahead != 0 == (f[0].Gains != 0) {
				t.Fatalf("faults %+v", f)
			}
			off := 0 // by the right time
			for _, tick := range h.Meta().Ticks {
				if len(tick.Sent) == 1 && (c.late && tick.Sent[0] > tick.Due+int64(bound) || !c.late && tick.Sent[0] < tick.Due-allowed) {
					off++
				}
			}
			if off == 0 {
				t.Error("all ticks came at the right time, and the clock was wrong")
			}
			for _, check := range []string{"tick-missed", "tick-repeated", "tick-late"} {
				if v := found(t, cell, check); v.Outcome != checks.Pass.String() {
					t.Errorf("%s: %+v; %+v", check, v, cell.Findings)
				}
			}
		})
	}
}
