package oracle

import (
	"slices"
	"testing"
	"time"

	"taskbench/harness/checks"
	"taskbench/harness/ledger"
)

// known is what there is of a run at a time: whatever comes later is not told yet.
func known(t *testing.T, h *ledger.Frozen, at int64) *ledger.Frozen {
	t.Helper()
	run, err := ledger.ParseRun(h.Meta().Run)
	if err != nil {
		t.Fatal(err)
	}
	const start = int64(time.Hour)
	r := ledger.NewRecorder(run, start)
	for _, x := range happenings(h, start) {
		if x.at <= at {
			x.tell(r)
		}
	}
	m := h.Meta()
	m.DrainEnded, m.Drained, m.Left, m.LeftIDs = at, false, -1, nil
	return r.Freeze(m)
}

// By the bound that a run has unless it says otherwise, a stall is found within ten seconds of its beginning, and not
// before eight have passed: whoever looks at the history of that moment sees it.
func TestAStallIsFoundWithinTenSeconds(t *testing.T) {
	i := slices.IndexFunc(Mutants, func(m Mutant) bool { return m.Name == "stall" })
	for seed := range seeds(3) {
		h, planted, err := record(t.TempDir(), seed, tasks, Mutants[i].Bugs)
		if err != nil {
			t.Fatal(err)
		}
		if h.Meta().Settings[checks.StallSetting] != "" || planted["stall"] != 1 {
			t.Fatalf("settings %v, %d stalls: want the default bound and one", h.Meta().Settings, planted["stall"])
		}
		begin, end := silence(h)
		if end-begin < int64(30*time.Second) {
			t.Fatalf("seed %d: the longest silence is from %d to %d", seed, begin, end)
		}
		found := time.Duration(0)
		for after := time.Second; after <= 12*time.Second && found == 0; after += 250 * time.Millisecond {
			if v := checks.Run(known(t, h, begin+int64(after))).Verdict("stall"); v.Outcome == checks.Found {
				found = after
			}
		}
		if found <= 8*time.Second || found > 10*time.Second {
			t.Errorf("seed %d: a stall that began at %v was found after %v, want more than 8 s and no more than 10 s", seed, time.Duration(begin), found)
		}
	}
}

// silence is the longest time in which nothing finished.
func silence(h ledger.History) (from, to int64) {
	var ends []int64
	for t := range h.All() {
		for _, a := range t.Attempts {
			ends = append(ends, a.Finished)
		}
	}
	slices.Sort(ends)
	for i := 1; i < len(ends); i++ {
		if ends[i]-ends[i-1] > to-from && ends[i-1] != 0 {
			from, to = ends[i-1], ends[i]
		}
	}
	return from, to
}
