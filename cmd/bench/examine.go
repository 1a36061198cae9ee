package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/brokers/brokertest"
	"taskbench/harness"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/reports/units"
)

// examineAll holds each of them to its contract, whatever is found of the others. What could not be examined comes before
// what was found, and a clause that does not hold before one that is undecided.
func (a *app) examineAll(ctx context.Context, s server, at string, names []string) error {
	var lacking []error
	var worst error
	for _, name := range names {
		d, v, err := all.Find(name)
		if err == nil {
			err = a.examine(ctx, s, at, d, v)
		}
		var found verdict
		switch {
		case ctx.Err() != nil || len(names) == 1:
			return err
		case errors.As(err, &found):
			if worst == nil || found.code == exitFailed {
				worst = found
			}
		case err != nil:
			lacking = append(lacking, fmt.Errorf("%s:%s: %w", d.Name, v.Name, err))
		}
	}
	if len(lacking) > 0 {
		return errors.Join(lacking...)
	}
	return worst
}

// examine holds one broker to its contract and prints how each clause went.
func (a *app) examine(ctx context.Context, s server, at string, d brokers.Driver, v brokers.Variant) (err error) {
	o := s.options(d)
	where := s.lab
	if at != "" {
		o.URLs, where = map[string]string{d.Name: at}, labs.External
	}
	l, why, err := labs.Pick(ctx, where, d, v, o)
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	scratch, err := os.MkdirTemp("", "taskbench-doctor-")
	if err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("make a directory for the server's log: %w", err)}
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	a.sweepUp(ctx)
	a.making(ctx, l, d)
	node, err := l.Start(ctx, lab.Request{Driver: d, Variant: v, Name: "doctor", LogPath: filepath.Join(scratch, "log")})
	if err != nil {
		return harness.EnvironmentError{Err: err}
	}
	defer func() { err = errors.Join(err, node.Close(context.WithoutCancel(ctx))) }()
	info := node.Info()
	_, _ = fmt.Fprintf(a.stderr, "%s:%s, %s %s in lab %s (%s)\n", d.Name, v.Name, info.Product, info.Version, l.Name(), why)

	subject := brokertest.Subject{Driver: d, Variant: v, URL: info.URL}
	if node.Can(lab.Kill) == "" && node.Can(lab.Start) == "" {
		subject.Kill = func(ctx context.Context) (func(context.Context) error, error) {
			return func(ctx context.Context) error { return node.Do(ctx, lab.Start) }, node.Do(ctx, lab.Kill)
		}
	}
	if !d.Server.Library {
		through, relay, err := brokertest.Through(subject)
		if err != nil {
			return harness.EnvironmentError{Err: err}
		}
		defer func() { _ = relay.Close() }()
		subject = through
	}
	self, err := os.Executable()
	if err != nil {
		return harness.EnvironmentError{Err: fmt.Errorf("find this program, to start it as a consumer: %w", err)}
	}
	return a.judgeClauses(ctx, brokertest.Holding(subject, func(queue string) *exec.Cmd { return holder(self, d, v, subject.URL, queue) }))
}

func (a *app) judgeClauses(ctx context.Context, s brokertest.Subject) error {
	held, broken, unfit := 0, 0, 0
	brokertest.Run(ctx, s, func(r brokertest.ClauseResult) {
		switch {
		case r.Unfit != "":
			unfit++
			_, _ = fmt.Fprintf(a.stdout, "  -     %-32s %s\n", r.Clause.Name, r.Unfit)
		case r.Err != nil:
			broken++
			_, _ = fmt.Fprintf(a.stdout, "  FAIL  %-32s %v\n        %s\n", r.Clause.Name, r.Err, r.Clause.Why)
		default:
			held++
			_, _ = fmt.Fprintf(a.stdout, "  ok    %-32s %.2f s\n", r.Clause.Name, r.Elapsed.Seconds())
		}
	})
	line := fmt.Sprintf("%s:%s: %d of %s hold, %d do not apply", s.Driver.Name, s.Variant.Name, held, units.Plural(held+broken, "clause"), unfit)
	_, _ = fmt.Fprintln(a.stdout, line)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case broken > 0:
		return verdict{code: exitFailed, text: line}
	case held == 0:
		return verdict{code: exitUndecided, text: "no clause applied", explain: true}
	}
	return nil
}
