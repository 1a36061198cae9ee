package harness_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"taskbench/harness"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
)

// TestMain lets the test binary stand in for the workers of the runs below, which are processes.
func TestMain(m *testing.M) {
	native.Main()
	os.Exit(m.Run())
}

// small is a scenario of a second for one worker of the pool.
func small(pool string, mixes ...scenario.TaskMix) scenario.Scenario {
	return scenario.Scenario{
		Name: "small", Asks: "Does every task end as it should?",
		Workload: scenario.Workload{Name: "small", Tasks: mixes},
		Load:     scenario.Load{Shape: "constant", Rate: 60, For: time.Second, Publishers: 4},
		System:   scenario.System{Name: "native", Pool: pool, Workers: 1, Concurrency: 4, Acks: "late", Prefetch: 16, Grace: 5 * time.Second},
		Drain:    30 * time.Second,
		Expect:   []scenario.Expect{{Expr: "lost == 0"}},
	}
}

// runCell is runOn with the embedded memory broker.
func runCell(t *testing.T, s scenario.Scenario) (harness.Cell, *ledger.Frozen, *tasks.Mix) {
	t.Helper()
	return runOn(t, "memory", "embedded", s)
}

// runOn runs a scenario, and returns its cell, its history, and what its tasks were.
func runOn(t *testing.T, broker, lab string, s scenario.Scenario) (harness.Cell, *ledger.Frozen, *tasks.Mix) {
	t.Helper()
	const seed = 1
	dir := t.TempDir()
	plan, err := harness.NewPlan(t.Context(), harness.Request{
		Name: s.Name, Scenarios: []scenario.Scenario{s}, Brokers: []string{broker}, Seed: seed, Lab: lab, Dir: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := harness.Run(t.Context(), plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Cells[0]
	t.Logf("%s: %+v; warnings %q", c.Outcome, c.Counts, c.Warnings)
	h, err := ledger.ReadFile(filepath.Join(dir, c.History))
	if err != nil {
		t.Fatalf("%v; warnings %q", err, c.Warnings)
	}
	mix, err := tasks.NewMix(s.Workload, seed, tasks.Env{Iterations: 1, Slow: "none", Marks: "none"})
	if err != nil {
		t.Fatal(err)
	}
	return c, h, mix
}
