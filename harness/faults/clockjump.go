package faults

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

var _ = register(clockJump)

var clockJump = Fault{
	Name: "clock-jump",
	Node: "worker",
	For:  down,
	Doc: "Sets the wall clock of one worker, parent and children, forward or back, and right again after `for` (2s): tasks with a time to wait " +
		"for or to expire at are run too early or too late by it, and nothing else may change. The seed chooses the victim.",
	Params: map[string]Param{
		"by": {Doc: "how far, such as 1h or, back, -1h", Default: time.Hour, Positive: true, Signed: true},
	},
	Unfit: always,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		by := param[time.Duration](a, "by")
		w, clock, err := timekeeper(t)
		if err != nil {
			return Effect{}, err
		}
		heal := setRight(w, clock)
		drift := systems.Drift{Ahead: by}
		if err := clock.SetClock(drift); err != nil {
			return Effect{}, err
		}
		ahead, err := ahead(ctx, clock)
		if err == nil && (ahead-by).Abs() > reading {
			err = fmt.Errorf("its clock was set by %v and is %v ahead", by, ahead)
		}
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("set the clock of %s: %w", w.Name(), err))
		}
		return Effect{Node: w.Name(), Proof: "by its own word it is " + distance(ahead), Clock: drift, Heal: heal}, nil
	},
}

// reading is how long it may take to ask a worker for the time, and so how exact the answer is.
const reading = time.Second

// timekeeper chooses a worker whose clock can be set.
func timekeeper(t Target) (systems.Worker, systems.Timekeeper, error) {
	w, err := victim(t)
	if err != nil {
		return nil, nil, err
	}
	clock, ok := w.(systems.Timekeeper)
	if !ok {
		return nil, nil, fmt.Errorf("%s goes by its host's clock: it cannot be given another one", w.Name())
	}
	return w, clock, nil
}

// ahead asks a worker for the time, and compares.
func ahead(ctx context.Context, clock systems.Timekeeper) (time.Duration, error) {
	before := time.Now()
	says, err := clock.Time(ctx)
	if err != nil {
		return 0, err
	}
	return says.Sub(before.Add(time.Since(before) / 2).Round(0)), nil
}

// distance says how far a clock is off.
func distance(ahead time.Duration) string {
	if ahead < 0 {
		return fmt.Sprintf("%.3f s behind its host's time", -ahead.Seconds())
	}
	return fmt.Sprintf("%.3f s ahead of its host's time", ahead.Seconds())
}

// setRight heals a clock that was set.
func setRight(w systems.Worker, clock systems.Timekeeper) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := clock.SetClock(systems.Drift{}); err != nil {
			return "", err
		}
		if len(w.PIDs()) == 0 {
			return "it is down, and will come back with its host's time", nil
		}
		off, err := ahead(ctx, clock)
		if err != nil {
			return "", err
		}
		if off.Abs() > reading {
			return "", fmt.Errorf("the clock of %s was set right and is %s", w.Name(), distance(off))
		}
		return "by its own word it is " + distance(off), nil
	}
}
