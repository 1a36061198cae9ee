// Package shrink reduces a failing scenario to a smaller one that still fails, by delta debugging.
//
// Runs are noisy: what failed once may pass the next time. A failure is proof that a candidate can fail, a pass is no
// proof that it can't. So a candidate is kept as soon as it fails in one of Tries runs, and given up when it has passed
// in all of them. Lest candidates that fail ever more seldom be kept one after the other, the smallest must fail once
// more at the end, or the one that was kept before it takes its place.
package shrink

import (
	"context"
	"fmt"
	"slices"

	"taskbench/harness/scenario"
)

// Fails runs a candidate and tells whether it failed as the original did. Its error ends the shrinking.
type Fails func(ctx context.Context, candidate scenario.Scenario) (bool, error)

// Options bound the search.
type Options struct {
	Runs  int                           // at most so many calls of Fails, at least 4
	Tries int                           // passes that give a candidate up; 0 is 2
	Over  func() bool                   // asked before every run: whether the time is up; nil is never
	Valid func(scenario.Scenario) error // what is no scenario is not tried; nil is everything
	Told  func(Step)                    // of every run; may be nil
}

// A Step is one run.
type Step struct {
	Run       int    // from 1
	What      string // what was done to the smallest so far
	Candidate scenario.Scenario
	Failed    bool
}

// A Report is how far the search came.
type Report struct {
	Smallest   scenario.Scenario
	Reproduced bool // the original failed; else nothing was tried with it
	Confirmed  bool // the smallest failed again when all was done
	Runs       int
	Failed     int    // how often the smallest failed
	Tried      int    // in how many runs
	Stopped    string // why the search ended before there was nothing left to try, or ""
}

// confirming is how many runs are held back for the end.
const confirming = 3

// Shrink looks for a smaller scenario: fewer faults, a shorter load, a lower rate, fewer workers. The scenario must be
// realised. The report is whole also beside an error, which is that of Fails or of ctx: it has the smallest so far.
func Shrink(ctx context.Context, s scenario.Scenario, fails Fails, o Options) (Report, error) {
	if o.Tries <= 0 {
		o.Tries = 2
	}
	o.Runs = max(o.Runs, confirming+1)
	h := &hunt{Options: o, fails: fails, spent: map[string]bool{}, budget: o.Runs - confirming}
	if h.once(ctx, s, "as it was", o.Tries+1) {
		h.kept = []kept{h.last}
		for before := -1; before != len(h.kept); { // what could not go may be able to go now
			before = len(h.kept)
			h.faults(ctx)
			h.load(ctx)
			h.rate(ctx)
			h.workers(ctx)
		}
	}
	report := Report{Reproduced: len(h.kept) > 0, Smallest: s}
	if report.Reproduced {
		report.Confirmed = h.confirm(ctx)
		best := h.kept[len(h.kept)-1]
		report.Smallest, report.Failed, report.Tried = best.s, best.failed, best.tried
	}
	report.Runs, report.Stopped = h.runs, h.stopped
	return report, h.err
}

// A kept candidate has failed at least once.
type kept struct {
	s             scenario.Scenario
	failed, tried int
}

type hunt struct {
	Options
	fails   Fails
	kept    []kept // each smaller than the one before
	last    kept   // the one that once tried last
	spent   map[string]bool
	runs    int
	budget  int
	stopped string
	err     error
}

// once runs a candidate until it fails; false when it never does in so many tries, or when there is no run left.
func (h *hunt) once(ctx context.Context, s scenario.Scenario, what string, tries int) bool {
	h.last = kept{s: s}
	for range tries {
		switch {
		case h.err != nil:
			return false
		case ctx.Err() != nil:
			h.err = ctx.Err()
			return false
		case h.runs >= h.budget:
			h.stopped = fmt.Sprintf("of %d runs only those are left that the smallest is confirmed with", h.Runs)
			return false
		case h.Over != nil && h.Over():
			h.stopped = "the time is up"
			return false
		}
		h.runs++
		failed, err := h.fails(ctx, s)
		if err != nil {
			h.err = err
			return false
		}
		h.last.tried++
		if h.Told != nil {
			h.Told(Step{Run: h.runs, What: what, Candidate: s, Failed: failed})
		}
		if failed {
			h.last.failed++
			return true
		}
	}
	return false
}

// try keeps a candidate that fails. One that was given up before is not tried again.
func (h *hunt) try(ctx context.Context, s scenario.Scenario, what string) bool {
	key := spell(s)
	if h.spent[key] || key == spell(h.best()) || h.Valid != nil && h.Valid(s) != nil {
		return false
	}
	if h.once(ctx, s, what, h.Tries) {
		h.kept = append(h.kept, h.last)
		return true
	}
	h.spent[key] = h.last.tried == h.Tries
	return false
}

// confirm has the smallest fail once more, and goes back to the one before where it does not. The original is what is
// left when nothing smaller does.
func (h *hunt) confirm(ctx context.Context) bool {
	h.budget = h.Runs
	for {
		i := len(h.kept) - 1
		before := h.kept[i]
		again := h.once(ctx, before.s, "the smallest once more", h.Tries)
		h.kept[i].failed, h.kept[i].tried = before.failed+h.last.failed, before.tried+h.last.tried
		if again {
			return true
		}
		if i == 0 || h.last.tried < h.Tries {
			return false // nobody knows: it failed once
		}
		h.kept = h.kept[:i]
	}
}

func (h *hunt) best() scenario.Scenario { return h.kept[len(h.kept)-1].s }

// spell tells candidates apart by what shrinking changes.
func spell(s scenario.Scenario) string {
	return fmt.Sprint(s.Faults, s.Load, s.System.Workers)
}

// with is the scenario with other lines in its schedule.
func with(s scenario.Scenario, lines []scenario.Fault) scenario.Scenario {
	s.Faults = slices.Clone(lines)
	return s
}
