package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"taskbench/harness"
	"taskbench/harness/scenario"
	"taskbench/harness/shrink"
	"taskbench/reports"
)

// trials are the runs of candidates, each in a directory of its own inside the result's, until one takes its place.
type trials struct {
	app     *app
	request harness.Request
	expr    string
	quiet   bool
	n       int
	failed  []trial
}

// A trial is a run in which the expectation failed.
type trial struct {
	candidate scenario.Scenario
	dir       string
	result    harness.Result
}

func (t *trials) note(format string, args ...any) {
	if !t.quiet {
		_, _ = fmt.Fprintf(aside{t.app}, format+"\n", args...)
	}
}

// fails runs a candidate. What was found in a run that was void counts too: a task that is lost is lost.
func (t *trials) fails(ctx context.Context, s scenario.Scenario) (bool, error) {
	t.n++
	r := t.request
	r.Scenarios, r.Dir = []scenario.Scenario{s}, filepath.Join(t.request.Dir, fmt.Sprintf("run-%02d", t.n))
	p, err := t.app.plan(ctx, r)
	if err != nil {
		return false, err
	}
	if why := p.Cells[0].Unfit; why != "" {
		return false, harness.InputError{Err: fmt.Errorf("it cannot be run: %s", why)}
	}
	result, err := t.app.run(ctx, p, func(harness.Progress) {})
	if err := cmp.Or(ctx.Err(), err); err != nil {
		return false, errors.Join(err, os.RemoveAll(r.Dir))
	}
	failed := slices.ContainsFunc(result.Cells[0].Expectations, func(e harness.Expectation) bool {
		return e.Expect == t.expr && !e.Held && !e.Undecided
	})
	if !failed {
		return false, os.RemoveAll(r.Dir)
	}
	t.failed = append(t.failed, trial{s, r.Dir, result})
	return true, nil
}

// told says how a run went.
func (t *trials) told(s shrink.Step, most int) {
	how := "holds"
	if s.Failed {
		how = "fails"
	}
	t.note("run %2d of %d  %-28s %s: %s", s.Run, most, s.What, size(s.Candidate), how)
}

// settle makes the last run in which the smallest failed the result, reports and all, and removes the others. It goes on
// after an interruption.
func (t *trials) settle(ctx context.Context, r shrink.Report) error {
	var errs []error
	var last trial
	for _, f := range t.failed {
		if reflect.DeepEqual(f.candidate, r.Smallest) {
			last = f
		}
	}
	if last.dir != "" {
		_, err := reports.WriteAll(context.WithoutCancel(ctx), last.dir, last.result)
		errs = append(errs, err, promote(last.dir, t.request.Dir))
	}
	for _, f := range t.failed {
		errs = append(errs, os.RemoveAll(f.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("put the smallest run into %s: %w", t.request.Dir, err)}
	}
	return nil
}

// promote moves what is in a directory up into the one around it, where it replaces what is there.
func promote(dir, to string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(to, e.Name())); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
