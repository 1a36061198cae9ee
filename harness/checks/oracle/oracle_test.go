package oracle

import (
	"fmt"
	"testing"
	"time"

	"taskbench/harness/checks"
)

const tasks = 3000

// agree holds what the checks found against what was planted.
func agree(t *testing.T, what string, r checks.Report, p Planted) {
	t.Helper()
	c := r.Counts
	for _, pair := range []struct {
		class      string
		found, put int
	}{
		{"attempted", c.Attempted, p.Attempted}, {"acknowledged", c.Acknowledged, p.Acknowledged}, {"refused", c.Refused, p.Refused},
		{"unknown", c.Unknown, p.Unknown}, {"lost", c.Lost, p.Lost}, {"phantom", c.Phantom, p.Phantom},
		{"duplicated", c.Duplicated, p.Duplicated}, {"redelivered", c.Redelivered, p.Redelivered}, {"recovered", c.Recovered, p.Recovered},
		{"unexpected", c.Unexpected, p.Unexpected}, {"orphaned", c.Orphaned, p.Orphaned}, {"stuck", c.Stuck, p.Stuck},
		{"retried", c.Retried, p.Retried}, {"concurrent", c.Concurrent, p.Concurrent}, {"stalls", c.Stalls, p.Stalls},
		{"refused and delivered", r.Verdict("refused").Count, p.Denied},
	} {
		if pair.found != pair.put {
			t.Errorf("%s: %s: found %d, planted %d", what, pair.class, pair.found, pair.put)
		}
	}
	if b := r.Broken(); b != "" {
		t.Errorf("%s: the books do not agree: %s", what, b)
	}
}

func TestHealthySystemsAreNeverBlamed(t *testing.T) {
	for seed := range uint64(20) {
		what := fmt.Sprintf("seed %d", seed)
		r, p, err := Run(t.TempDir(), seed, tasks, Bugs{})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, what, r, p)
		for _, name := range []string{"lost", "phantom-confirm", "duplicated", "unexpected", "orphaned", "stuck", "concurrent", "redelivered-after-ack", "refused", "stall", "accounting", "malformed"} {
			if v := r.Verdict(name); v.Outcome != checks.Pass {
				t.Errorf("%s: check %s says %s (%s): %+v", what, name, v.Outcome, v.Why, v.Findings)
			}
		}
		if r.Guarantee != "exactly-once" {
			t.Errorf("%s: guarantee %q", what, r.Guarantee)
		}
		// What is healthy and rare did happen.
		if p.Retried == 0 || p.Recovered == 0 || p.Unknown == p.Recovered || p.Refused == 0 {
			t.Errorf("%s: too quiet to prove anything: %+v", what, p)
		}
	}
}

func TestPlantedBugsAreCaughtToTheTask(t *testing.T) {
	some := func(n ...int) bool {
		for _, x := range n {
			if x == 0 {
				return false
			}
		}
		return true
	}
	tests := []struct {
		name      string
		bugs      Bugs
		guarantee string
		planted   func(Planted) bool // whether what the bug does was done at all
	}{
		{"drops one message in 1,000", Bugs{Drop: 1000}, "at-most-once", func(p Planted) bool { return some(p.Lost) && p.Lost == p.Phantom }},
		{"drops what workers give back", Bugs{DropBack: 5}, "at-most-once", func(p Planted) bool { return some(p.Lost) && p.Phantom == 0 }},
		{"repeats one message in 1,000", Bugs{Repeat: 1000}, "at-least-once", func(p Planted) bool { return some(p.Duplicated) && p.Lost == 0 }},
		{"acknowledges publishes that it did not store", Bugs{Phantom: 1000}, "at-most-once", func(p Planted) bool { return some(p.Phantom) && p.Lost == p.Phantom }},
		{"hands out an acknowledged message again", Bugs{Redeliver: 1000}, "at-least-once", func(p Planted) bool { return some(p.Redelivered) && p.Lost == 0 }},
		{"refuses publishes that it stores", Bugs{Deny: 1000}, "exactly-once", func(p Planted) bool { return some(p.Denied) }},
		{"makes messages up", Bugs{Invent: 1000}, "exactly-once", func(p Planted) bool { return some(p.Unexpected) }},
		{"stalls for 40 s", Bugs{Stall: 40 * time.Second}, "exactly-once", func(p Planted) bool { return p.Stalls == 1 && p.Lost == 0 }},
		{"drops and repeats", Bugs{Drop: 500, Repeat: 500}, "none", func(p Planted) bool { return some(p.Lost, p.Duplicated) }},
		{"a worker killed, acknowledged early", Bugs{Early: true, Kill: true}, "at-most-once", func(p Planted) bool { return some(p.Lost, p.Orphaned) && p.Phantom == 0 }},
		{"deliveries run twice", Bugs{Twice: 1000}, "at-least-once", func(p Planted) bool { return some(p.Concurrent, p.Duplicated) }},
		{"the drain is cut off", Bugs{Abandon: true, Drop: 100}, "at-most-once", func(p Planted) bool { return some(p.Stuck, p.Lost) }},
	}
	for _, tt := range tests {
		for seed := range uint64(2) {
			what := fmt.Sprintf("%s, seed %d", tt.name, seed)
			r, p, err := Run(t.TempDir(), seed, 2*tasks, tt.bugs)
			if err != nil {
				t.Fatal(err)
			}
			agree(t, what, r, p)
			if r.Guarantee != tt.guarantee {
				t.Errorf("%s: guarantee %q, want %q", what, r.Guarantee, tt.guarantee)
			}
			if !tt.planted(p) {
				t.Errorf("%s: the bug did not strike: %+v", what, p)
			}
		}
	}
}

// With late acknowledgement a killed worker loses nothing; what it had finished and not acknowledged runs again.
func TestKilledWorkerWithLateAcks(t *testing.T) {
	duplicates := 0
	for seed := range uint64(5) {
		r, p, err := Run(t.TempDir(), seed, tasks, Bugs{Kill: true})
		if err != nil {
			t.Fatal(err)
		}
		agree(t, fmt.Sprintf("seed %d", seed), r, p)
		if r.Counts.Lost != 0 || r.Verdict("lost").Outcome != checks.Pass {
			t.Errorf("seed %d: %+v", seed, r.Verdict("lost"))
		}
		duplicates += r.Counts.Duplicated
	}
	if duplicates == 0 {
		t.Error("no worker was killed between an end and its acknowledgement: the trial proves nothing")
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
	if a.Counts != b.Counts || pa != pb {
		t.Errorf("%+v and %+v", a.Counts, b.Counts)
	}
	_, other, err := Run(t.TempDir(), 6, 1000, bugs)
	if err != nil {
		t.Fatal(err)
	}
	if other == pa {
		t.Error("another seed gives the same history")
	}
}
