package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/reports"
	"taskbench/scenarios"
)

// failingRun leaves a result in a directory, as a run of five faults could that lost tasks.
func failingRun(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "failed")
	text := `
name: five
asks: Which of them?
workload: {tasks: [{task: noop}]}
load: {shape: constant, rate: 64/s, for: 10s, warmup: 1s}
system: {workers: 2, acks: early}
faults:
  - {at: 1s, fault: disconnect, node: broker, for: 500ms}
  - {at: 3s, fault: kill, node: worker, for: 500ms}
  - {at: 4s, fault: kill, node: worker, for: 500ms}
  - {at: 5s, fault: stop, node: worker, for: 500ms}
  - {at: 7s, fault: disconnect, node: broker, for: 500ms}
expect: [unexpected == 0, lost == 0]
run: {seed: 9}
`
	s, err := scenario.Parse("five.yaml", []byte(text), scenarios.Known(), scenario.Full)
	if err != nil {
		t.Fatal(err)
	}
	p, err := harness.NewPlan(t.Context(), harness.Request{Name: s.Name, Scenarios: []scenario.Scenario{s}, Brokers: []string{"memory"}, Seed: 9, Lab: "embedded", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reports.WriteAll(t.Context(), dir, leave(t, p, lossy)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// lossy is a system that loses tasks when the fault of number 3 hurts it, at 10/s or more.
func lossy(s scenario.Scenario) bool {
	return s.Load.Rate >= 10 && slices.ContainsFunc(s.Faults, func(f scenario.Fault) bool { return f.Number == 3 })
}

// leave writes the scenario as a run of the plan does, and returns its result.
func leave(t *testing.T, p harness.Plan, fails func(scenario.Scenario) bool) harness.Result {
	t.Helper()
	s := p.Scenarios[0]
	r := resultOf(p, harness.Pass)
	r.Cells[0].History = "history." + p.Cells[0].Name() + ".tbz"
	if fails(s) {
		r = resultOf(p, harness.Fail)
		r.Cells[0].Counts.Lost = 1
	}
	// Under a small load something else fails: that is not what is looked for.
	r.Cells[0].Expectations = append([]harness.Expectation{{Expect: "unexpected == 0", Held: s.Load.Rate >= 10}}, r.Cells[0].Expectations...)
	text, err := scenario.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(p.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir, "scenario.yaml"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return r
}

func left(t *testing.T, dir string) scenario.Scenario {
	t.Helper()
	s, err := scenario.ParseFile(filepath.Join(dir, "scenario.yaml"), scenarios.Known(), scenario.Full)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestShrink(t *testing.T) {
	dir, out := failingRun(t), filepath.Join(t.TempDir(), "out")
	runs := 0
	code, stdout, stderr := command(t, func(a *app) {
		a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
			runs++
			if p.Seed != 9 || len(p.Cells) != 1 || len(p.Scenarios[0].Expect) != 1 {
				t.Errorf("run %d: seed %d, %d cells, expects %v", runs, p.Seed, len(p.Cells), p.Scenarios[0].Expect)
			}
			return leave(t, p, lossy), nil
		}
	}, "shrink", dir, "--out", out)
	s := left(t, out)
	if code != exitOK || len(s.Faults) != 1 || s.Faults[0].Number != 3 || s.Load.Rate != 16 || s.System.Workers != 1 {
		t.Fatalf("exit code %d, left %+v of load %+v:\n%s%s", code, s.Faults, s.Load, stdout, stderr)
	}
	for _, want := range []string{"smallest: 1 fault,", `"lost == 0" failed in`, "number: 3", "replay: bench run " + filepath.Join(out, "scenario.yaml")} {
		if !strings.Contains(stdout, want) {
			t.Errorf("does not print %q:\n%s", want, stdout)
		}
	}
	if !strings.Contains(stderr, "run  2 of 30  without any fault") {
		t.Errorf("no progress:\n%s", stderr)
	}
	if r, err := reports.Read(out); err != nil || r.Outcome != harness.Fail {
		t.Errorf("the result beside it: %s, %v", r.Outcome, err)
	}
	if rest, _ := filepath.Glob(filepath.Join(out, "run-*")); len(rest) > 0 {
		t.Errorf("left behind: %v", rest)
	}
}

// An interrupt leaves the smallest so far.
func TestShrinkInterrupted(t *testing.T) {
	dir, out := failingRun(t), filepath.Join(t.TempDir(), "out")
	ctx, interrupt := context.WithCancel(t.Context())
	var stdout, stderr strings.Builder
	a := newApp([]string{"shrink", dir, "--out", out}, &stdout, &stderr)
	fake(t, a)
	runs := 0
	a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
		if runs++; runs == 8 {
			interrupt()
			return harness.Result{}, context.Canceled
		}
		return leave(t, p, lossy), nil
	}
	code := a.execute(ctx)
	if s := left(t, out); code != exitInterrupted || len(s.Faults) >= 5 || !lossy(s) {
		t.Errorf("exit code %d after %d runs, left %+v\n%s", code, runs, s.Faults, stderr.String())
	}
}

func TestShrinkRefuses(t *testing.T) {
	dir := failingRun(t)
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{dir, "--expect", "lost == 1"}, `did you mean lost == 0?`, exitUsage},
		{[]string{dir, "--cell", "memory.default.prefork.noop.2", "--runs", "3"}, "2 mistakes", exitUsage},
		{[]string{t.TempDir()}, "name the directory of a run", exitUsage},
	} {
		code, _, stderr := command(t, nil, append([]string{"shrink"}, tt.args...)...)
		if code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s", tt.args[1:], code, stderr)
		}
	}
	// What never fails again is not shrunk, and nothing pretends that it was.
	out := filepath.Join(t.TempDir(), "out")
	code, stdout, stderr := command(t, func(a *app) {
		a.run = func(_ context.Context, p harness.Plan, _ harness.Watcher) (harness.Result, error) {
			return leave(t, p, func(scenario.Scenario) bool { return false }), nil
		}
	}, "shrink", dir, "--out", out)
	if code != exitUndecided || stdout != "" || !strings.Contains(stderr, "did not fail again in 3 runs") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}
