package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

var _ = register(Fault{
	Name:  "rolling-restart",
	Node:  "worker",
	For:   down,
	Whole: true,
	Doc: "Restarts every worker in turn, as a deployment does: each is stopped warmly and started again, and `gap` later the next. It lasts " +
		"until the last consumes again, also where that is after `for` (2s).",
	Params: map[string]Param{"gap": {Doc: "from one that is back to the next that leaves", Default: 200 * time.Millisecond}},
	Unfit:  always,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		for _, w := range t.Workers {
			if !t.claim(w) || len(w.PIDs()) == 0 {
				return Effect{}, fmt.Errorf("%s is down already, or being hurt", w.Name())
			}
		}
		if len(t.Workers) == 0 {
			return Effect{}, errors.New("there is no worker")
		}
		first, pids := t.Workers[0], t.Workers[0].PIDs()
		if err := first.Stop(ctx); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("stop %s: %w", first.Name(), err), revive(ctx, first))
		}
		done := make(chan error, 1)
		began := time.Now()
		go func() { done <- roll(ctx, t.Workers, param[time.Duration](a, "gap")) }()
		return Effect{
			Node:  "workers",
			Proof: fmt.Sprintf("SIGTERM; processes %v of %s left first", pids, first.Name()),
			Heal: func(healing context.Context) (string, error) {
				var err error
				select {
				case err = <-done:
				case <-healing.Done():
					return "", fmt.Errorf("not every worker has been restarted: %w", healing.Err())
				}
				for _, w := range t.Workers {
					err = errors.Join(err, revive(healing, w))
				}
				if err != nil {
					return "", err
				}
				return fmt.Sprintf("%d workers restarted in turn within %.2f s", len(t.Workers), time.Since(began).Seconds()), nil
			},
		}, nil
	},
})

// roll starts the first worker, which is down, and restarts the others in turn. It ends early with ctx.
func roll(ctx context.Context, workers []systems.Worker, gap time.Duration) error {
	for i, w := range workers {
		if i > 0 {
			waitFor(ctx, gap)
			if ctx.Err() != nil {
				return nil
			}
			if err := w.Stop(ctx); err != nil {
				return fmt.Errorf("stop %s: %w", w.Name(), err)
			}
		}
		if err := w.Start(ctx); err != nil {
			return fmt.Errorf("start %s again: %w", w.Name(), err)
		}
	}
	return nil
}
