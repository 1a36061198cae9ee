package oracle

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"taskbench/harness/checks"
)

const tasks = 3000

// seeds is how many to try: a third of them when tests are to be short.
func seeds(n uint64) uint64 {
	if testing.Short() {
		return (n + 2) / 3
	}
	return n
}

// agree holds what the checks found against what was planted.
func agree(t *testing.T, what string, r checks.Report, p Planted) {
	t.Helper()
	for _, wrong := range Disagreements(r, p) {
		t.Errorf("%s: %s", what, wrong)
	}
}

func TestHealthySystemsAreNeverBlamed(t *testing.T) {
	for seed := range seeds(12) {
		what := fmt.Sprintf("seed %d", seed)
		calm := seed%4 == 3
		r, p, err := Run(t.TempDir(), seed, tasks, Bugs{Calm: calm})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, what, r, p)
		for _, v := range r.Verdicts {
			// Nothing is broken here, and only a long run shows how a node's memory goes.
			unexamined := v.Name == "redelivered-late" || v.Name == "unrecovered" || v.Name == "growth" && !calm
			if Blames(v.Name) && (v.Outcome == checks.Found || v.Outcome == checks.Undecided && !unexamined) {
				t.Errorf("%s: check %s says %s (%s): %+v", what, v.Name, v.Outcome, v.Why, v.Findings)
			}
		}
		if r.Guarantee != "exactly-once" {
			t.Errorf("%s: guarantee %q", what, r.Guarantee)
		}
		// What is healthy and rare did happen.
		if p["retried"] == 0 || p["recovered"] == 0 || p["unknown"] == p["recovered"] || p["attempted"] == p["acknowledged"]+p["unknown"] || p["lapsed"] == 0 {
			t.Errorf("%s: too quiet to prove anything: %+v", what, p)
		}
	}
}

func TestMutantsAreCaughtToTheTask(t *testing.T) {
	names := map[string]bool{}
	for _, m := range Mutants {
		if names[m.Name] || m.Doc == "" || m.Bugs == (Bugs{}) {
			t.Errorf("mutant %q: its name comes twice, or it says or does nothing", m.Name)
		}
		names[m.Name] = true
		r, p, err := Run(t.TempDir(), 0, tasks, m.Bugs) // make judge tries more seeds
		if err != nil {
			t.Fatal(err)
		}
		agree(t, m.Name, r, p)
		if p[m.Check] == 0 {
			t.Errorf("%s: the bug did not strike: %+v", m.Name, p)
		}
		if v := r.Verdict(m.Check); v.Outcome == checks.Pass {
			t.Errorf("%s: check %s passes", m.Name, m.Check)
		}
	}
	if len(names) < 20 {
		t.Errorf("there are only %d mutants", len(names))
	}
}

// The guarantee is what was seen.
func TestGuaranteeOfMutants(t *testing.T) {
	for name, want := range map[string]string{
		"drop": "at-most-once", "repeat": "at-least-once", "deny": "exactly-once", "stall": "exactly-once", "ack-early": "at-most-once",
		"concurrent": "at-least-once", "redeliver-acked": "at-least-once", "overwrite-result": "at-least-once",
	} {
		i := slices.IndexFunc(Mutants, func(m Mutant) bool { return m.Name == name })
		if i < 0 {
			t.Fatalf("there is no mutant %s", name)
		}
		r, _, err := Run(t.TempDir(), 1, tasks, Mutants[i].Bugs)
		if err != nil {
			t.Fatal(err)
		}
		if r.Guarantee != want {
			t.Errorf("%s: guarantee %q, want %q", name, r.Guarantee, want)
		}
	}
}

// A judge that is wrong is noticed: here the count of what was planted is off by one.
func TestDisagreementsAreTold(t *testing.T) {
	r, p, err := Run(t.TempDir(), 1, 1000, Bugs{Drop: 100})
	if err != nil {
		t.Fatal(err)
	}
	p["lost"]++
	p["acknowledged"]--
	if wrong := strings.Join(Disagreements(r, p), "\n"); strings.Count(wrong, "\n") != 1 || !strings.Contains(wrong, "lost: found") {
		t.Errorf("disagreements: %s", wrong)
	}
}

// With late acknowledgement a killed worker loses nothing; what it had finished and not acknowledged runs again. So do
// links that are cut.
func TestFaultsAreNoBugs(t *testing.T) {
	for what, bugs := range map[string]Bugs{"a worker is killed": {Kill: true}, "links are cut": {Cut: true}} {
		duplicates := 0
		for seed := range seeds(5) {
			r, p, err := Run(t.TempDir(), seed, tasks, bugs)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, fmt.Sprintf("%s, seed %d", what, seed), r, p)
			for _, name := range []string{"lost", "orphaned", "redelivered-early", "unrecovered", "stall", "order", "retry-count"} {
				if v := r.Verdict(name); v.Outcome != checks.Pass {
					t.Errorf("%s, seed %d: %s: %+v", what, seed, name, v)
				}
			}
			duplicates += r.Counts.Duplicated
		}
		if duplicates == 0 {
			t.Errorf("%s: nothing was between an end and its acknowledgement: the trial proves nothing", what)
		}
	}
}

func TestSameSeedSameHistory(t *testing.T) {
	bugs := Bugs{Drop: 100, Repeat: 100, Kill: true}
	a, pa, err := Run(t.TempDir(), 5, 1000, bugs)
	if err != nil {
		t.Fatal(err)
	}
	b, pb, err := Run(t.TempDir(), 5, 1000, bugs)
	if err != nil {
		t.Fatal(err)
	}
	if a.Counts != b.Counts || !maps.Equal(pa, pb) {
		t.Errorf("%+v and %+v", a.Counts, b.Counts)
	}
	_, other, err := Run(t.TempDir(), 6, 1000, bugs)
	if err != nil {
		t.Fatal(err)
	}
	if maps.Equal(other, pa) {
		t.Error("another seed gives the same history")
	}
}
