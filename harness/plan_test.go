package harness

import (
	"testing"

	"taskbench/harness/scenario"
)

// A comparison of pools gives each the same concurrency, but for the one that has no more than one place.
func TestSoloHasOnePlace(t *testing.T) {
	var s scenario.Scenario
	s.System.Concurrency = 8
	p, err := NewPlan(t.Context(), Request{
		Name: "pools", Scenarios: []scenario.Scenario{s}, Brokers: []string{"memory"}, Pools: []string{"solo", "threads"},
		Lab: "embedded", Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"solo": 1, "threads": 8}
	for _, c := range p.Cells {
		if y := c.Scenario.System; y.Concurrency != want[y.Pool] {
			t.Errorf("pool %s has %d places, want %d", y.Pool, y.Concurrency, want[y.Pool])
		}
	}
	if len(p.Cells) != len(want) {
		t.Errorf("%d cells, want %d", len(p.Cells), len(want))
	}
}
