package harness

import (
	"math/rand/v2"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// A load of ten tasks of which nothing is known to be lost, and of which nothing may be concluded either.
func TestNothingJudgedIsNoVerdict(t *testing.T) {
	tests := map[string]struct {
		publish ledger.PublishOutcome
		begun   uint64 // tasks that a worker has in hand
		drain   drained
		stuck   int
	}{
		"nothing acknowledged": {publish: ledger.PublishFailed, drain: drained{full: true, ended: int64(2 * time.Second)}},
		"in the hands of workers, the broker does not count": {publish: ledger.PublishOK, begun: 10, stuck: 10,
			drain: drained{ready: 0, unacked: -1, held: 10, ended: int64(2 * time.Second)}},
		"in the hands of workers, acknowledged early": {publish: ledger.PublishOK, begun: 3, stuck: 10,
			drain: drained{ready: 7, unacked: 0, held: 3, ended: int64(2 * time.Second)}},
		"the broker never said what it holds": {publish: ledger.PublishOK,
			drain: drained{ready: -1, unacked: -1, ended: int64(2 * time.Second)}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &stage{node: still{}, run: ledger.NewRun(rand.NewPCG(1, 1))}
			s.plan.Dir = t.TempDir()
			s.cell.Driver, s.cell.Variant = brokers.Driver{Name: "none"}, brokers.Variant{Name: "none"}
			s.cell.Scenario = scenario.Scenario{
				Load:   scenario.Load{Shape: "constant", Rate: 10, For: time.Second},
				Expect: []scenario.Expect{{Expr: "lost == 0"}},
			}
			s.recorder = ledger.NewRecorder(s.run, s.start)
			for seq := range uint64(10) {
				at := int64(seq+1) * int64(50*time.Millisecond)
				s.recorder.Due(seq, at)
				s.recorder.PublishStart(seq, at)
				s.recorder.PublishEnd(seq, at, test.publish)
				if seq < test.begun {
					s.recorder.Apply(ledger.Event{Task: seq, Attempt: seq + 1, PID: 1, Node: 1, At: at + 1, Kind: ledger.Received},
						ledger.Event{Task: seq, Attempt: seq + 1, PID: 1, Node: 1, At: at + 2, Kind: ledger.Started})
				}
			}
			c := course{paced: int64(time.Second), loadEnd: int64(time.Second), drain: test.drain}
			c.load.Asked, c.load.Offered = 10, 10
			cell, err := s.judge(Cell{}, c)
			if err != nil {
				t.Fatal(err)
			}
			if cell.Outcome != Undecided || cell.Counts.Lost != 0 || cell.Counts.Stuck != test.stuck {
				t.Errorf("%s with %d lost and %d stuck: %q", cell.Outcome, cell.Counts.Lost, cell.Counts.Stuck, cell.Warnings)
			}
		})
	}
}
