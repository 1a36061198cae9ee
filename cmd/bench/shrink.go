package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/harness/shrink"
	"taskbench/reports"
	"taskbench/reports/dossier"
	"taskbench/reports/units"
	"taskbench/scenarios"
)

// A shrinking is what the flags of the command say.
type shrinking struct {
	where
	runs   int
	within time.Duration
	cell   string
	expect string
}

func (a *app) shrinkCommand() *cobra.Command {
	s := shrinking{runs: 30, within: 30 * time.Minute}
	s.repeat = 1
	c := &cobra.Command{
		Use:   "shrink DIR",
		Short: "Reduce a failing run to a smaller scenario that still fails the same expectation",
		Long: `shrink takes the scenario of a result that failed, and leaves out what is not needed for the same expectation to fail
again: faults by halves and one by one, then time before and after them, rate, and workers. What is left is in a result
directory of its own, with the run in which it failed: its scenario.yaml repeats it.

Runs are noisy. One run in which the expectation fails keeps a candidate, also where that run is void for another
reason; two in which it holds give it up. At the end the smallest must fail once more, or the one before it is taken.
An interrupt leaves the smallest so far.

Exit codes:
  0    there is a smallest scenario, and it failed again
  2    bad usage, or a result in which no expectation failed
  3    it did not fail again: not at all, or not when it was smallest
  4    the environment failed
  130  interrupted; the smallest so far is written`,
		Example:           "  bench shrink runs/20260102T150405Z-chaos --runs 40",
		ValidArgsFunction: a.completeDirectory,
		RunE: func(c *cobra.Command, args []string) error {
			a.want(c, args, 1, 1)
			if len(args) != 1 {
				return a.mistaken()
			}
			return a.shrink(c.Context(), args[0], s)
		},
	}
	valueFlag(a, c, &s.runs, "runs", "N", "30", "run at most so many times", atLeast(4))
	valueFlag(a, c, &s.within, "within", "TIME", "30m", "begin no run after that", positive(scenario.ParseDuration))
	valueFlag(a, c, &s.cell, "cell", "CELL", "the first that failed", "the cell to shrink, named as in file names", anyText)
	valueFlag(a, c, &s.expect, "expect", "EXPR", "the first that failed", "the expectation that must go on failing, as the scenario has it", anyText)
	mapFlag(a, c, &s.images, "image", "BROKER=IMAGE", "container image of a broker instead of the usual one (repeatable)")
	mapFlag(a, c, &s.urls, "url", "BROKER=URL", "use a server that runs already (repeatable; its queues are written to)")
	patienceFlag(a, c, &s.patient)
	valueFlag(a, c, &s.out, "out", "DIR", "runs/TIME-NAME-shrunk", "result directory", anyText)
	c.Flags().BoolVar(&s.force, "force", false, "write into a result directory that is not empty")
	c.Flags().BoolVar(&s.quiet, "quiet", false, "say nothing but results and what went wrong")
	return c
}

func (a *app) shrink(ctx context.Context, dir string, f shrinking) error {
	found, err := reports.Read(dir)
	if err != nil {
		a.mistake(err)
		return a.mistaken()
	}
	cell, expr, err := failure(found, f.cell, f.expect)
	a.mistake(err)
	if err != nil {
		return a.mistaken()
	}
	s, err := scenarioOf(dir, found, cell, expr)
	a.mistake(err)
	f.lab, f.seed, f.pools = cell.Lab, found.Seed, []string{cell.Pool}
	r := f.request(a, s.Name+"-shrunk")
	if err := a.mistaken(); err != nil {
		return err
	}
	r.Name, r.Brokers = s.Name, s.Run.Brokers
	r.Command = "bench run " + filepath.Join(r.Dir, "scenario.yaml")
	a.sweepUp(ctx)
	t := &trials{app: a, request: r, expr: expr, quiet: f.quiet}
	t.note("%s on %s:%s, until %q no longer fails: at most %d runs within %s, into %s",
		units.Plural(len(s.Faults), "fault"), cell.Broker, cell.Variant, expr, f.runs, scenario.FormatDuration(f.within), r.Dir)
	began := a.now()
	report, failed := shrink.Shrink(ctx, s, t.fails, shrink.Options{
		Runs: f.runs,
		Over: func() bool { return a.now().Sub(began) > f.within },
		Valid: func(s scenario.Scenario) error {
			return scenario.Override(&s, scenarios.Known()) // no changes: judges the whole
		},
		Told: func(step shrink.Step) { t.told(step, f.runs) },
	})
	return a.shrunk(t, report, errors.Join(failed, t.settle(ctx, report)))
}

// failure is the cell and the expectation to shrink: the first that failed among those that are asked for.
func failure(r harness.Result, name, expr string) (harness.Cell, string, error) {
	var names, exprs []string
	for _, c := range r.Cells {
		for _, e := range c.Expectations {
			if e.Held || e.Undecided {
				continue
			}
			if (name == "" || name == dossier.CellName(c)) && (expr == "" || expr == e.Expect) {
				return c, e.Expect, nil
			}
			names, exprs = append(names, dossier.CellName(c)), append(exprs, e.Expect)
		}
	}
	switch {
	case len(names) == 0:
		return harness.Cell{}, "", errors.New("no expectation failed in this result: there is nothing to shrink")
	case name != "" && !slices.Contains(names, name):
		return harness.Cell{}, "", fmt.Errorf("--cell %s: %w", name, unknown("cell in which an expectation failed", name, slices.Compact(names)))
	}
	return harness.Cell{}, "", fmt.Errorf("--expect %q: %w", expr, unknown("expectation that failed", expr, slices.Compact(exprs)))
}

// scenarioOf is the scenario of a cell, with the one expectation and on the one broker and pool.
func scenarioOf(dir string, r harness.Result, cell harness.Cell, expr string) (scenario.Scenario, error) {
	file := filepath.Join(dir, "scenario.yaml")
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) { // a result of several
		file = filepath.Join(dir, harness.ScenarioFile(cell.Workload, cell.Under))
	}
	s, err := scenario.ParseFile(file, scenarios.Known(), scenario.Full)
	if err != nil {
		return s, err
	}
	s.System.Pool = cell.Pool
	s.Expect = slices.DeleteFunc(s.Expect, func(e scenario.Expect) bool { return e.Expr != expr })
	s.Run = scenario.Run{Seed: r.Seed, Brokers: []string{cell.Broker + ":" + cell.Variant}, Pools: []string{cell.Pool}, Lab: cell.Lab, Repeat: 1}
	return scenario.Realise(s, r.Seed)
}

// shrunk says what is left and how to repeat it.
func (a *app) shrunk(t *trials, r shrink.Report, failed error) error {
	if !r.Reproduced {
		if failed != nil {
			return failed
		}
		return verdict{code: exitUndecided, text: fmt.Sprintf("%q did not fail again in %s: there is nothing to shrink", t.expr, units.Plural(r.Runs, "run")), explain: true}
	}
	text, err := scenario.Marshal(r.Smallest)
	if err != nil {
		return err
	}
	s := r.Smallest
	_, err = fmt.Fprintf(a.stdout, "smallest: %s; %q failed in %d of %s\n\n%s\nreplay: bench run %s\n",
		size(s), t.expr, r.Failed, units.Plural(r.Tried, "run"), text, filepath.Join(t.request.Dir, "scenario.yaml"))
	if r.Stopped != "" {
		t.note("it may not be the smallest there is: %s", r.Stopped)
	}
	switch failed := errors.Join(failed, unprinted(err)); {
	case failed != nil:
		return failed
	case !r.Confirmed:
		return verdict{code: exitUndecided, text: "the smallest did not fail once more: it fails seldom, or the runs were used up", explain: true}
	}
	return nil
}

// size says how large a scenario is.
func size(s scenario.Scenario) string {
	rate := scenario.FormatRate(s.Load.Rate)
	if s.Load.Burst > 0 {
		rate = fmt.Sprintf("bursts of %d", s.Load.Burst)
	}
	return fmt.Sprintf("%s, %s at %s after %s, %s", units.Plural(len(s.Faults), "fault"),
		scenario.FormatDuration(s.Load.For), rate, scenario.FormatDuration(s.Load.Warmup), units.Plural(s.System.Workers, "worker"))
}
