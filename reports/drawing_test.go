package reports

import (
	"strings"
	"testing"

	"taskbench/harness"
)

// A cell that was interrupted before anything was published is no cell in which nothing was lost.
func TestLossesOfCellsThatHadNothingToLose(t *testing.T) {
	idle := harness.Cell{Broker: "idle", Repeat: 1, Outcome: harness.Undecided}
	busy := harness.Cell{Broker: "busy", Repeat: 1, Outcome: harness.Pass, Counts: harness.Counts{Attempted: 9, Acknowledged: 9, Executed: 9}}
	d := losses(groupsOf(run("x", "", harness.Undecided, idle)))
	if d.Missing != "No task was published." || len(d.Panels) > 0 || strings.Contains(d.Caption, "Nothing was lost") {
		t.Errorf("%+v", d)
	}
	d = losses(groupsOf(run("x", "", harness.Undecided, idle, busy)))
	if len(d.Panels) != 1 || strings.Contains(d.Panels[0].Alt, "idle") || !strings.Contains(d.Panels[0].Alt, "busy") || d.Caption != "Nothing was lost and nothing ran twice, in any repeat." {
		t.Errorf("%+v", d)
	}
}
