package planted

import (
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/checks"
)

// Each bug is found by its check, as often as it struck, and no other check blames the broker for what it did not do.
func TestMutantsAreCaughtToTheTask(t *testing.T) {
	names := map[string]bool{}
	var all sync.WaitGroup
	slots := make(chan struct{}, 6)
	for i, m := range Mutants {
		if names[m.Name] {
			t.Errorf("mutant %s comes twice", m.Name)
		}
		names[m.Name] = true
		if testing.Short() && i%4 != 0 {
			continue
		}
		dir := t.TempDir()
		all.Go(func() { // they wait most of the time: more of them at once than there are processors
			slots <- struct{}{}
			defer func() { <-slots }()
			c, struck, err := m.Run(t.Context(), dir, 1)
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				return
			}
			if struck == 0 {
				t.Errorf("%s: the bug did not strike", m.Name)
			}
			if wrong := m.Disagreements(c, struck); len(wrong) > 0 {
				t.Errorf("%s: %q; %+v; warnings %q; findings %+v", m.Name, wrong, c.Counts, c.Warnings, c.Findings)
			}
		})
	}
	all.Wait()
}

func TestHealthyWorkerIsNotBlamed(t *testing.T) {
	t.Parallel()
	c, struck, err := Healthy.Run(t.Context(), t.TempDir(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range Healthy.Disagreements(c, struck) {
		t.Error(wrong)
	}
	if struck != 0 || c.Counts.Acknowledged == 0 || c.Counts.Executed+count(c, "lapsed") != c.Counts.Acknowledged {
		t.Errorf("struck %d: %+v; warnings %q", struck, c.Counts, c.Warnings)
	}
	for _, name := range []string{"lost", "eta-early", "eta-late", "expired", "lapsed", "retry-count", "time-limit", "soft-limit", "redelivered-early"} {
		if found(c, name).Outcome == checks.Undecided.String() {
			t.Errorf("%s has nothing to go by: %+v", name, found(c, name))
		}
	}
}

func count(c harness.Cell, check string) int { return found(c, check).Count }

func found(c harness.Cell, check string) harness.Checked {
	for _, v := range c.Checks {
		if v.Check == check {
			return v
		}
	}
	return harness.Checked{Outcome: checks.Undecided.String(), Why: "there is no check " + check}
}

// The bug strikes, and once, also where no consumer comes by at just the number of tasks that it waits for.
func TestStallIsNotMissed(t *testing.T) {
	p := newPlant(Mutant{Name: "stall", OneIn: 1, Stall: time.Nanosecond, StallAt: 2}, 1)
	p.seen = map[string]int{"a": 1, "b": 1, "c": 1}
	for range 2 {
		if !p.wait(t.Context()) {
			t.Fatal("the wait was given up")
		}
	}
	if p.struck() != 1 {
		t.Errorf("struck %d times, want once", p.struck())
	}
}

// A judge that errs is noticed: one that finds too few, and one that blames.
func TestDisagreementsAreTold(t *testing.T) {
	m := Mutants[0]
	c := harness.Cell{Checks: []harness.Checked{{Check: "lost", Count: 4}, {Check: "order", Count: 1}, {Check: "retried", Count: 3}, {Check: "phantom-confirm", Count: 9}}}
	if wrong := strings.Join(m.Disagreements(c, 5), "\n"); wrong != "lost: found 4, planted 5\norder: found 1, and nothing of that kind was planted" {
		t.Error(wrong)
	}
	if len(m.Disagreements(harness.Cell{}, 5)) == 0 {
		t.Error("a cell that was not judged is right")
	}
}
