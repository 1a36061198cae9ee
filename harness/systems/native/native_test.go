package native

import (
	"testing"

	"taskbench/harness/ledger"
	"taskbench/worker"
)

// The worker's events and the ledger's are the same by value, so that a witness costs no table.
func TestEventsAgree(t *testing.T) {
	kinds := map[worker.EventKind]ledger.Kind{
		worker.Received: ledger.Received, worker.Started: ledger.Started, worker.Finished: ledger.Finished,
		worker.Acked: ledger.Acked, worker.Stored: ledger.Stored, worker.Returned: ledger.Returned, worker.Malformed: ledger.Malformed,
		worker.Told: ledger.Told,
	}
	for w, l := range kinds {
		if uint8(w) != uint8(l) {
			t.Errorf("worker's kind %d is the ledger's %d", w, l)
		}
	}
	outcomes := map[worker.Outcome]ledger.Outcome{
		worker.OK: ledger.OK, worker.Failed: ledger.Failed, worker.Retried: ledger.Retried,
		worker.TimedOut: ledger.TimedOut, worker.Killed: ledger.Killed,
	}
	for w, l := range outcomes {
		if uint8(w) != uint8(l) {
			t.Errorf("worker's outcome %d is the ledger's %d", w, l)
		}
	}
}
