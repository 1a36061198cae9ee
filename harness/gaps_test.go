package harness

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// still is a node that nobody touches.
type still struct{ lab.Node }

func (still) Info() lab.Info { return lab.Info{Name: "broker"} }

// Three tasks of ten were acknowledged and never seen to be done. In a whole history they are lost; where something
// is known not to have been kept, or the run was cut short, nothing may be concluded from that.
func TestGapsAreNotLosses(t *testing.T) {
	tests := map[string]struct {
		lost    int // events without room
		aborted string
		outcome Outcome
		warning string
	}{
		"whole": {outcome: Fail},
		"gaps":  {lost: 12, outcome: Undecided, warning: "12 events found no room on the disk"},
		"cut":   {aborted: "the load was cut short: interrupted", outcome: Undecided, warning: "judged as far as it came"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &stage{node: still{}, run: ledger.NewRun(rand.NewPCG(1, 1)), collected: ledger.Collected{Lost: test.lost}}
			s.plan.Dir = t.TempDir()
			s.cell.Driver, s.cell.Variant = brokers.Driver{Name: "none"}, brokers.Variant{Name: "none"}
			s.cell.Scenario = scenario.Scenario{
				Load:   scenario.Load{Shape: "constant", Rate: 10, For: time.Second},
				Expect: []scenario.Expect{{Expr: "lost == 0"}},
			}
			s.recorder = ledger.NewRecorder(s.run, s.start)
			for seq := range uint64(10) {
				at := int64(seq+1) * int64(100*time.Millisecond)
				s.recorder.Due(seq, at)
				s.recorder.PublishStart(seq, at)
				s.recorder.PublishEnd(seq, at, ledger.PublishOK)
				if seq < 7 {
					e := ledger.Event{Task: seq, Attempt: 1, PID: 1, Node: 1}
					for i, kind := range []ledger.Kind{ledger.Received, ledger.Started, ledger.Finished} {
						e.Kind, e.At, e.Outcome = kind, at+int64(i+1), ledger.None
						if kind == ledger.Finished {
							e.Outcome = ledger.OK
						}
						s.recorder.Apply(e)
					}
				}
			}
			c := course{paced: int64(time.Second), loadEnd: int64(time.Second), aborted: test.aborted}
			c.load.Asked, c.load.Offered = 10, 10
			if test.aborted == "" {
				c.drain = drained{full: true, ended: int64(2 * time.Second)}
			}
			cell, err := s.judge(Cell{}, c)
			if err != nil {
				t.Fatal(err)
			}
			blamed := 0
			for _, f := range cell.Findings {
				if f.Check == "lost" {
					blamed++
				}
			}
			lost := map[bool]int{true: 3}[test.outcome == Fail]
			if cell.Outcome != test.outcome || cell.Counts.Lost != lost || blamed != lost || cell.Expectations[0].Held {
				t.Errorf("%s with %d lost, %d of them named, and %+v", cell.Outcome, cell.Counts.Lost, blamed, cell.Expectations)
			}
			if test.outcome == Undecided && len(cell.Findings) > 0 {
				t.Errorf("only absence shows %+v", cell.Findings)
			}
			if !strings.Contains(strings.Join(cell.Warnings, "\n"), test.warning) {
				t.Errorf("does not warn of %q: %q", test.warning, cell.Warnings)
			}
			h, err := ledger.ReadFile(filepath.Join(s.plan.Dir, cell.History))
			if err != nil {
				t.Fatal(err)
			}
			if again, _, _ := Judge(h); again != cell.Counts {
				t.Errorf("judged again: %+v, and was %+v", again, cell.Counts)
			}
		})
	}
}
