package harness_test

import (
	"strings"
	"testing"
	"time"

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

// A beat whose clock is put back sends no tick a second time, and its ticks, which it sends on, have the times of its clock:
// by the right one those of that time are missed.
func TestClockOfABeatIsPutBack(t *testing.T) {
	t.Parallel()
	s := small("goroutine", scenario.TaskMix{Task: "noop", Weight: 1})
	s.Load.For = 3 * time.Second
	s.System.Beat = scenario.Beat{Every: 200 * time.Millisecond, Entries: 1, Beats: 1, CatchUp: "all", Late: 20 * time.Second}
	s.Faults = []scenario.Fault{{
		Number: 1, At: 700 * time.Millisecond, Fault: "clock-jump", Node: "beat", For: time.Second, Params: map[string]string{"by": "-1h"},
	}}
	c, h, _ := runCell(t, s)
	if len(c.Faults) != 1 || c.Faults[0].Node != "beat-1" || c.Faults[0].Healed == 0 || !strings.Contains(c.Faults[0].Proof, "behind") {
		t.Fatalf("faults %+v", c.Faults)
	}
	from, to := int64(c.Faults[0].InEffect*1e9), int64(c.Faults[0].Healed*1e9)
	missed := 0
	for _, tick := range h.Meta().Ticks {
		switch {
		case len(tick.Sent) > 1:
			t.Errorf("tick of %v was sent %d times", time.Duration(tick.Due), len(tick.Sent))
		case len(tick.Sent) == 0 && tick.Due > from && tick.Due < to:
			missed++
		}
	}
	if missed < 2 {
		t.Errorf("%d ticks of the time in which the clock was an hour behind were missed by the right time, want most of five", missed)
	}
}
