package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"taskbench/harness"
	"taskbench/reports"
	"taskbench/reports/units"
)

// finish writes the result, whole or not, says the verdict, and returns the error that decides the exit code.
func (a *app) finish(ctx context.Context, w where, p harness.Plan, r harness.Result, failed error) error {
	if len(r.Cells) == 0 && failed != nil && ctx.Err() == nil {
		return failed // nothing came of it: there is nothing to write
	}
	if _, err := reports.WriteAll(context.WithoutCancel(ctx), p.Dir, r); err != nil {
		failed = errors.Join(failed, unwritten(p.Dir, err))
	}
	report := filepath.Join(p.Dir, "report.html")
	if w.json {
		failed = errors.Join(failed, a.printJSON(r))
		if !w.quiet {
			_, _ = fmt.Fprintf(a.stderr, "%s: %s\nreport: %s\n", r.Outcome, reports.Verdict(r), report)
		}
	} else {
		failed = errors.Join(failed, reports.Text(a.stdout, r, a.tables(report)))
	}
	switch {
	case failed != nil || ctx.Err() != nil: // also when only the writing was left to be done
		return errors.Join(failed, ctx.Err())
	case outcomeCode(r.Outcome) != exitOK:
		return verdict{code: outcomeCode(r.Outcome), text: reports.Verdict(r)}
	}
	return nil
}

// unwritten tells the first of what may be the same error for every file.
func unwritten(dir string, err error) error {
	causes := flatten(err)
	more := ""
	if len(causes) > 1 {
		more = fmt.Sprintf(" (and %s more)", units.Plural(len(causes)-1, "file"))
	}
	return harness.EnvironmentError{Err: fmt.Errorf("the result in %s is not whole: %w%s", dir, causes[0], more)}
}
