package checks

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"taskbench/harness/ledger"
)

var update = flag.Bool("update", false, "write the histories in testdata anew")

// onDisk keeps the first good and the first bad history among the trials of a check in testdata, as runs keep theirs, and
// demands that what was kept then is judged now as it is there.
func onDisk(t *testing.T, check string, trials []trial) {
	t.Helper()
	for name, outcome := range map[string]Outcome{"good": Pass, "bad": Found} {
		i := slices.IndexFunc(trials, func(tt trial) bool { return tt.outcome == outcome })
		if i < 0 {
			continue // told by try
		}
		path := filepath.Join("testdata", check, name+".tbz")
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := ledger.WriteFile(path, trials[i].h); err != nil {
				t.Fatal(err)
			}
		}
		h, err := ledger.ReadFile(path)
		if err != nil {
			t.Errorf("the %s history of %s: %v; go test ./harness/checks -update writes it", name, check, err)
			continue
		}
		if v := Run(h).Verdict(check); v.Outcome != outcome || v.Count != trials[i].count {
			t.Errorf("%s (%s) is judged as %s with %d, want %s with %d as of the trial %q: %s", path, check, v.Outcome, v.Count, outcome, trials[i].count, trials[i].name, v.Why)
		}
	}
}
