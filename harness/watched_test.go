package harness_test

import (
	"slices"
	"testing"
	"time"

	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
)

// A run's history has what check growth goes by, the broker's own count of what is handed out among it.
func TestARunIsWatched(t *testing.T) {
	nap := scenario.TaskMix{Task: "io", Weight: 1, Duration: scenario.Dist{Kind: "constant", P50: 20 * time.Millisecond}, Via: "sleep"}
	c, h, _ := runCell(t, small("goroutine", nap))
	for node, what := range map[string]string{"worker-1": "rss", "broker": "unacked"} {
		if !slices.ContainsFunc(h.Meta().Series, func(s ledger.Series) bool { return s.Node == node && s.What == what && len(s.At) > 0 }) {
			t.Errorf("%s of %s is not in the history; warnings %q", what, node, c.Warnings)
		}
	}
}
