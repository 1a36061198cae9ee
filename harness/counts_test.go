package harness

import (
	"math/rand/v2"
	"strings"
	"testing"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// The warm-up is counted apart, and what went wrong in it is said.
func TestWarmUpCounts(t *testing.T) {
	r := ledger.NewRecorder(ledger.NewRun(rand.NewPCG(1, 1)), 0)
	const ms = int64(1e6)
	for seq := range uint64(4) { // two in the warm-up, of which the second is lost; two after it
		at := int64(seq+1) * ms
		r.Due(seq, at)
		r.PublishStart(seq, at)
		r.PublishEnd(seq, at+ms/10, ledger.PublishOK)
		if seq == 1 {
			continue
		}
		for _, kind := range []ledger.Kind{ledger.Received, ledger.Started, ledger.Finished, ledger.Acked} {
			e := ledger.Event{Task: seq, Attempt: seq + 1, PID: 7, At: at + int64(kind)*ms, Kind: kind}
			if kind == ledger.Finished {
				e.Outcome = ledger.OK
			}
			r.Apply(e)
		}
	}
	h := r.Freeze(ledger.Meta{
		Drained: true, DrainEnded: 100 * ms,
		Phases: []ledger.Phase{{Name: "warmup", From: 0, To: 2*ms + ms/2}, {Name: "steady", From: 2*ms + ms/2, To: 10 * ms}},
	})
	report := checks.Run(h)
	if c := counts(report, h); c.Attempted != 2 || c.Executed != 2 || c.Lost != 0 {
		t.Errorf("measured: %+v", c)
	}
	c, amiss := warmUp(report, h)
	if c == nil || c.Attempted != 2 || c.Executed != 1 || c.Lost != 1 || !strings.Contains(amiss, "1 were lost") {
		t.Errorf("warm-up: %+v, %q", c, amiss)
	}
}
