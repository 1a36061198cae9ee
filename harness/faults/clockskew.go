package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

var _ = register(clockSkew)

var clockSkew = Fault{
	Name: "clock-skew",
	Node: "worker",
	For:  down,
	Doc: "Has the wall clock of one worker, parent and children, go fast or slow, and sets it right again after `for` (2s). The seed " +
		"chooses the victim.",
	Params: map[string]Param{
		"rate": {Doc: "what it gains with each second or, below 0, loses: 10%, -50%", Default: Percent(10), Positive: true, Signed: true},
	},
	Unfit: always,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		rate := float64(param[Percent](a, "rate")) / 100
		w, clock, err := timekeeper(t)
		if err != nil {
			return Effect{}, err
		}
		heal := setRight(w, clock)
		drift := systems.Drift{Rate: rate}
		if err := clock.SetClock(drift); err != nil {
			return Effect{}, err
		}
		proof, err := gains(ctx, clock, rate)
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("have the clock of %s gain %.1f %%: %w", w.Name(), 100*rate, err))
		}
		return Effect{Node: w.Name(), Proof: proof, Clock: drift, Heal: heal}, nil
	},
}

// gains watches a worker's clock until what it has gained is beyond doubt: that takes the longer the less it gains.
func gains(ctx context.Context, clock systems.Timekeeper, rate float64) (proof string, err error) {
	const patience, beyondDoubt = 5 * time.Second, 10 * time.Millisecond
	first, err := ahead(ctx, clock)
	if err != nil {
		return "", err
	}
	for began := time.Now(); ; {
		waitFor(ctx, 20*time.Millisecond)
		now, err := ahead(ctx, clock)
		if err != nil {
			return "", err
		}
		passed := time.Since(began)
		gained := now - first
		said := fmt.Sprintf("by its own word it has gained %+.3f s in %.3f s", gained.Seconds(), passed.Seconds())
		// The time that an answer takes is read as a gain, too.
		if right := gained.Seconds() / (rate * passed.Seconds()); gained.Abs() >= beyondDoubt && right > 0.5 && right < 1.5 {
			return said, nil
		}
		if passed > patience {
			return "", errors.New(said)
		}
	}
}
