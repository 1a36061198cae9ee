package main

import (
	"context"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/lab/leftovers"
)

// fake cuts the app off from all that starts or sweeps anything. The planner stays the real one.
func fake(t *testing.T, a *app) {
	a.run = func(context.Context, harness.Plan, harness.Watcher) (harness.Result, error) {
		t.Error("a run was started")
		return harness.Result{}, nil
	}
	a.sweep = func(context.Context) (leftovers.Report, error) { return leftovers.Report{}, nil }
	a.now = func() time.Time { return time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC) }
	a.seed = func() uint64 { return 42 }
	a.leave = func(code int) { t.Errorf("left at once with code %d", code) }
}

// ending makes the app's runs end in the given way, with one cell.
func ending(o harness.Outcome, err error) func(*app) {
	return func(a *app) {
		a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
			return resultOf(p, o), err
		}
	}
}

// resultOf is what a run of the plan's first cell could have left.
func resultOf(p harness.Plan, o harness.Outcome) harness.Result {
	c := p.Cells[0]
	return harness.Result{
		Schema: harness.Schema, Name: p.Name, Seed: p.Seed, Outcome: o,
		Provenance: harness.Provenance{Started: "2026-01-02T15:04:05Z", Command: p.Command},
		Cells: []harness.Cell{{
			Broker: c.Driver.Name, Variant: c.Variant.Name, Durability: string(c.Variant.Durability), Lab: c.Lab.Name(), System: "native",
			Pool: c.Scenario.System.Pool, Workload: c.Scenario.Workload.Name, Repeat: 1, Outcome: o,
			Counts:       harness.Counts{Attempted: 100, Acknowledged: 100, Executed: 100},
			Throughput:   harness.Throughput{Offered: 10, Completed: 10},
			Latency:      map[string]harness.Latency{"due_to_finish": {P50: 0.01, P90: 0.02, P99: 0.03, P999: 0.04, Max: 0.05, Count: 100}},
			Expectations: []harness.Expectation{{Expect: "lost == 0", Held: o == harness.Pass, Value: 0}},
		}},
	}
}
