package harness_test

import (
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
