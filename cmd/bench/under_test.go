package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/harness"
	"taskbench/scenarios"
)

// A comparison under everything runs each workload calm and once broken in each way, under the comparison's own load.
func TestScenariosUnderAll(t *testing.T) {
	a := newApp(nil, nil, &strings.Builder{})
	l := defaultLoad
	l.workloads, l.under, l.duration = []string{"noop", "io"}, []string{"all"}, 20*time.Second
	list := l.scenarios(a)
	if err := a.mistaken(); err != nil {
		t.Fatal(err)
	}
	p, err := harness.NewPlan(t.Context(), harness.Request{Name: "all", Scenarios: list, Brokers: []string{"memory"}, Pools: []string{"goroutine"}, Lab: "embedded", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range p.Cells {
		names[c.Name()] = true
		s := c.Scenario
		switch {
		case c.Under == "" && len(s.Faults) == 0:
			continue
		case c.Under == "" || len(s.Faults) != 1:
			t.Errorf("%s is under %q and has %d faults", c.Name(), c.Under, len(s.Faults))
			continue
		case !slices.Contains(scenarios.Names(), c.Under):
			t.Errorf("%s: there is no scenario that asks about it by itself", c.Under)
		}
		if f := s.Faults[0]; f.At != 6*time.Second || f.For != 4*time.Second || s.Load.Rate != l.rate || s.Load.For != l.duration {
			t.Errorf("%s: fault at %v for %v in %v, at %v/s", c.Name(), f.At, f.For, s.Load.For, s.Load.Rate)
		}
	}
	if want := 2 * (1 + len(breakages)); len(p.Cells) != want || len(names) != want {
		t.Errorf("%d cells of %d names, want %d", len(p.Cells), len(names), want)
	}
}

// What was broken is said of its cell, and its own scenario runs it again.
func TestCompareUnderForReal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "result")
	p := start(t, t.TempDir(), append(small(dir, "2s"), "--under", "worker-kill")...)
	p.code(t, time.Minute)
	r := resultIn(t, dir)
	if len(r.Cells) != 2 {
		t.Fatalf("%d cells\n%s", len(r.Cells), p.talk())
	}
	for _, c := range r.Cells {
		if broken := c.Under == "worker-kill"; broken != (len(c.Faults) == 1) || c.Promised != brokers.AtLeastOnce || c.Counts.Lost > 0 {
			t.Errorf("under %q: %d faults, %s promised, %d lost", c.Under, len(c.Faults), c.Promised, c.Counts.Lost)
		}
	}
	again := filepath.Join(t.TempDir(), "again")
	p = start(t, t.TempDir(), "run", filepath.Join(dir, "scenario.noop.worker-kill.yaml"), "--out", again)
	p.code(t, time.Minute)
	if now := resultIn(t, again); len(now.Cells) != 1 || len(now.Cells[0].Faults) != 1 || now.Seed != r.Seed {
		t.Errorf("replayed: %+v", now.Cells)
	}
}
