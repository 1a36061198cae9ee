package dossier

import (
	"testing"

	"taskbench/harness/ledger"
)

// What was done to a worker or a beat is no reason for what the broker lost.
func TestFaultsOnTheBroker(t *testing.T) {
	for node, want := range map[string]bool{"broker": true, "broker-2": true, "worker-1": false, "beat-1": false} {
		if got := onBroker(ledger.FaultSpan{Node: node}); got != want {
			t.Errorf("%s: %v, want %v", node, got, want)
		}
	}
}
