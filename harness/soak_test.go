package harness

import (
	"testing"
	"time"

	"taskbench/harness/scenario"
)

func TestOnlyLongLoadsAreCut(t *testing.T) {
	for _, x := range []struct{ asked, span, want time.Duration }{
		{0, 10 * time.Minute, 0},
		{0, 20 * time.Minute, 0},
		{0, 8 * time.Hour, 5 * time.Minute},
		{time.Second, time.Minute, time.Second},
	} {
		if got := pieceOf(x.asked, x.span); got != x.want {
			t.Errorf("asked for %v, a load of %v is cut into pieces of %v, want %v", x.asked, x.span, got, x.want)
		}
	}
}

// Evidence that is given back needs room for two pieces, whatever the length; the history needs it for every task, and
// less and less as its pieces are stored.
func TestRoomForASoak(t *testing.T) {
	soak := CellPlan{Scenario: scenario.Scenario{Load: scenario.Load{Shape: "constant", Rate: 1000, For: 8 * time.Hour}}}
	whole := Plan{Cells: []CellPlan{soak}}.need()
	soak.Piece = 5 * time.Minute
	tasks := int64(1000 * 8 * 3600)
	need := Plan{Cells: []CellPlan{soak}}.need()
	if evidence := need - tasks*historyPerTask - reserve; evidence != 600*1000*evidencePerTask {
		t.Errorf("room for %d bytes of evidence", evidence)
	}
	if whole-need < tasks*evidencePerTask*9/10 {
		t.Errorf("%d bytes in pieces, and %d in one", need, whole)
	}
	if from, half := soak.needFrom(0), soak.needFrom(4*time.Hour); from != tasks*historyPerTask+reserve || half != tasks/2*historyPerTask+reserve || soak.needFrom(9*time.Hour) != 0 {
		t.Errorf("from the begin %d, from the middle %d", from, half)
	}
}
