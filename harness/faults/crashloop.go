package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name: "crash-loop",
	Node: "broker",
	Ends: true,
	Doc: "SIGKILLs the broker's server `times` times in a row: each time it is started again at once, and lives for `every` before it dies " +
		"again. After the last death, and not before `for` has passed, it is started for good.",
	Params: map[string]Param{
		"times": {Doc: "how often it dies", Default: 3, Positive: true},
		"every": {Doc: "how long it lives in between", Default: 500 * time.Millisecond},
	},
	Unfit: func(s Setting) string { return s.server(lab.Kill) },
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		info, times, every := t.Broker.Info(), param[int](a, "times"), param[time.Duration](a, "every")
		if err := t.Broker.Do(ctx, lab.Kill); err != nil {
			return Effect{}, fmt.Errorf("kill broker %s: %w", info.Product, err)
		}
		proof := proofDown(ctx, t, info)
		if proof == "" {
			return Effect{}, errors.Join(fmt.Errorf("kill broker %s: it still answers", info.Product), upAgain(ctx, t))
		}
		// It goes on dying when the injection has returned, and stops when the run does.
		type end struct {
			deaths int
			err    error
		}
		ended := make(chan end, 1)
		go func() {
			deaths, err := dieAgain(ctx, t, times, every)
			ended <- end{deaths, err}
		}()
		return Effect{
			Node:  info.Name,
			Proof: fmt.Sprintf("first of %d deaths: %s", times, proof),
			Heal: func(healing context.Context) (string, error) {
				select {
				case e := <-ended:
					up, err := startBroker(t)(healing)
					if e.err != nil && ctx.Err() == nil { // which may be why it does not start: it runs
						err = errors.Join(fmt.Errorf("it died %d times of %d: %w", e.deaths, times, e.err), err)
					}
					if err != nil {
						return "", err
					}
					return fmt.Sprintf("died %d times; %s", e.deaths, up), nil
				case <-healing.Done():
					return "", fmt.Errorf("it is not done with dying: %w", healing.Err())
				}
			},
		}, nil
	},
})

// dieAgain starts and kills the server until it has died so many times, the first one included. It leaves it down.
func dieAgain(ctx context.Context, t Target, times int, every time.Duration) (deaths int, err error) {
	for deaths = 1; deaths < times; deaths++ {
		if err := t.Broker.Do(ctx, lab.Start); err != nil {
			return deaths, err
		}
		select {
		case <-time.After(every):
		case <-ctx.Done(): // to be started is the healing's part
		}
		if err := t.Broker.Do(context.WithoutCancel(ctx), lab.Kill); err != nil {
			return deaths, err
		}
		if ctx.Err() != nil {
			return deaths + 1, ctx.Err()
		}
	}
	return deaths, nil
}
