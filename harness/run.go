package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab/leftovers"
	"taskbench/harness/scenario"
	"taskbench/harness/tasks"
)

// Run runs every cell of the plan, one after the other, and judges each. The result is as whole as it could be
// made, also beside an error: an interrupted cell is judged as far as it came and marked, and the cells after
// it are missing. The error is an EnvironmentError where the machine failed, and ctx's own after an
// interruption. Whatever was started is gone when Run returns.
func Run(ctx context.Context, p Plan, watch Watcher) (r Result, err error) {
	if watch == nil {
		watch = func(Progress) {}
	}
	r = Result{Schema: Schema, Name: p.Name, Seed: p.Seed, Outcome: Undecided, Provenance: provenance(p), Cells: []Cell{}}
	defer func() {
		if ctx.Err() != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("interrupted: %d of %d cells were run", len(r.Cells), len(p.Cells)))
		}
	}()
	if err := os.MkdirAll(filepath.Join(p.Dir, "logs"), 0o755); err != nil {
		return r, EnvironmentError{fmt.Errorf("make the result directory: %w", err)}
	}
	if err := forgetEarlier(p.Dir); err != nil {
		return r, EnvironmentError{err}
	}
	release, err := leftovers.Own(p.Dir)
	if err != nil {
		return r, EnvironmentError{fmt.Errorf("note down who owns this run: %w", err)}
	}
	defer release()

	if len(p.Scenarios) == 1 {
		r.Asks = p.Scenarios[0].Asks
	}
	rate, err := tasks.Calibrate(ctx)
	if err != nil {
		return r, fmt.Errorf("calibrate the CPU work: %w", err)
	}
	r.Provenance.WorkUnit = rate
	server, err := tasks.StartSlowServer()
	if err != nil {
		return r, EnvironmentError{fmt.Errorf("start the slow HTTP server for io tasks: %w", err)}
	}
	defer server.Close()

	if err := writeScenarios(p, nil); err != nil {
		return r, EnvironmentError{err}
	}

	began, total := time.Now(), p.Length()
	var failed []error
	for i, c := range p.Cells {
		clock := &clock{began: began, total: total, cell: i + 1, cells: len(p.Cells), name: c.Name(), watch: watch}
		if c.Unfit != "" {
			clock.note("not run: " + c.Unfit)
			r.Cells = append(r.Cells, unfitCell(c))
			continue
		}
		cell, err := runCell(ctx, job{plan: p, cell: c, index: i, clock: clock, iterations: rate, slow: server.URL(), interim: interim(p, r)})
		r.Cells = append(r.Cells, cell)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", c.Name(), err))
		}
		total -= c.Length() - clock.spent() // what is left follows what the cell really took
		if full := (FullError{}); ctx.Err() != nil || errors.As(err, &full) {
			break
		}
	}
	if r.Outcome = overall(r); r.Outcome == Pass && len(r.Cells) < len(p.Cells) {
		r.Outcome = Undecided
	}
	return r, errors.Join(append(failed, ctx.Err())...)
}

// interim tells the result as it stands while a cell goes on, beside those that have run.
func interim(p Plan, so Result) func(Cell) {
	if p.Interim == nil {
		return nil
	}
	return func(c Cell) {
		r := so
		r.InProgress, r.Outcome = true, Undecided
		r.Cells = append(slices.Clone(so.Cells), c)
		r.Warnings = append(slices.Clone(so.Warnings), fmt.Sprintf("in progress: cell %d of %d was running", len(r.Cells), len(p.Cells)))
		p.Interim(r)
	}
}

// forgetEarlier removes the logs and histories that an earlier run left in the directory: logs are appended to, over
// restarts, and would hold both runs; a history of a cell that this run has not would seem to be its own.
func forgetEarlier(dir string) error {
	for _, pattern := range []string{"logs/*.log", "logs/*.log.1", "history.*.tbz"} {
		left, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return fmt.Errorf("look for what an earlier run left in %s: %w", dir, err)
		}
		for _, name := range left {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("remove what an earlier run left: %w; name another directory", err)
			}
		}
	}
	return nil
}

// overall is the worst of the cells that were run.
func overall(r Result) Outcome {
	seen := map[Outcome]int{}
	for _, c := range r.Cells {
		seen[c.Outcome]++
	}
	for _, worst := range []Outcome{Fail, Void, Undecided} {
		if seen[worst] > 0 {
			return worst
		}
	}
	if seen[Pass] == 0 {
		return Undecided
	}
	return Pass
}

func unfitCell(c CellPlan) Cell {
	cell := newCell(c)
	cell.Outcome = Unfit
	cell.Warnings = append(cell.Warnings, c.Unfit)
	return cell
}

// promised is what the broker promises of a message; acknowledged before its task has run, it is not handed out again.
func promised(c CellPlan) string {
	if c.Scenario.System.Acks == "early" {
		return brokers.AtMostOnce
	}
	return c.Variant.Guarantee()
}

// newCell is a cell that has not run, with what is known before.
func newCell(c CellPlan) Cell {
	y, l := c.Scenario.System, c.Scenario.Load
	return Cell{
		Broker: c.Driver.Name, Variant: c.Variant.Name, Durability: string(c.Variant.Durability), Lab: c.Lab.Name(),
		System: c.System.Name, Pool: y.Pool, Acks: y.Acks, Workers: y.Workers, Concurrency: y.Concurrency,
		Prefetch: prefetch(y), Load: LoadAsked{Shape: l.Shape, Rate: l.Rate, For: l.For.Seconds(), Warmup: l.Warmup.Seconds()},
		Workload: c.Scenario.Workload.Name, Under: c.Under, Promised: promised(c), Repeat: c.Repeat, Outcome: Undecided, Warnings: []string{},
		Settings: c.Variant.Settings, Latency: map[string]Latency{}, Phases: []PhaseResult{}, Faults: []FaultResult{},
		Resources: []Resource{}, Expectations: []Expectation{},
	}
}

// prefetch is how many unsettled messages a worker really holds at most.
func prefetch(y scenario.System) int {
	if y.Prefetch == 0 {
		return 4 * y.Concurrency
	}
	return y.Prefetch
}

// A clock tells the watcher what time it is in the plan.
type clock struct {
	began       time.Time
	total       time.Duration
	cell, cells int
	name        string
	cellBegan   time.Time

	mu    sync.Mutex // the watcher is told by one goroutine at a time
	watch Watcher
}

func (c *clock) start() { c.cellBegan = time.Now() }

func (c *clock) spent() time.Duration { return time.Since(c.cellBegan) }

// tell passes progress on, with the clock's own parts filled in.
func (c *clock) tell(p Progress) {
	p.Cell, p.Cells, p.Name = c.cell, c.cells, c.name
	p.Elapsed = time.Since(c.began)
	p.Left = max(0, c.total-p.Elapsed)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch(p)
}

func (c *clock) note(text string) { c.tell(Progress{Note: text}) }
