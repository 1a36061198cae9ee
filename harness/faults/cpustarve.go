package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/harness/lab"
)

var _ = register(Fault{
	Name: "cpu-starve",
	Node: "broker",
	Doc: "Leaves the broker's server only a share of one core until `for` has passed: by the kernel's quota in a container, else by freezing " +
		"and thawing it in turns.",
	Params: map[string]Param{"share": {Doc: "of one core", Default: Percent(5), Positive: true}},
	Unfit: func(s Setting) string {
		if why := s.server(lab.Pause); why != "" {
			return why
		}
		return s.several()
	},
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		info, share := t.Broker.Info(), float64(param[Percent](a, "share"))/100
		before, err := busy(ctx, t)
		if err != nil {
			return Effect{}, fmt.Errorf("measure what broker %s uses: %w", info.Product, err)
		}
		release, err := starve(ctx, t.Broker, share, before)
		if err != nil {
			return Effect{}, fmt.Errorf("starve broker %s: %w", info.Product, err)
		}
		heal := func(ctx context.Context) (string, error) {
			if err := release(ctx); err != nil {
				return "", fmt.Errorf("feed broker %s again: %w", info.Product, err)
			}
			return answersAgain(ctx, t)
		}
		const idle = 0.05 // who uses no more of a core when it is kept busy has nothing that could be taken away
		during, err := busy(ctx, t)
		// A server that was stopped in the middle of a turn, and one that had saved some of its quota, have a little more.
		if err == nil && (before < idle || during > 1.5*share+0.02 || during >= 0.8*before) {
			err = fmt.Errorf("kept busy it used %.1f %% of a core before and uses %.1f %% now, of the %.1f %% that it is left", 100*before, 100*during, 100*share)
		}
		if err != nil {
			return Effect{}, withdraw(ctx, heal, fmt.Errorf("starve broker %s: %w", info.Product, err))
		}
		return Effect{
			Node:  info.Name,
			Proof: fmt.Sprintf("kept busy it used %.1f %% of a core, and now %.1f %%", 100*before, 100*during),
			Heal:  heal,
		}, nil
	},
})

// busy keeps the server busy with exchanges for a while and is the share of a core that it used meanwhile.
func busy(ctx context.Context, t Target) (float64, error) {
	const clients, lasts = 4, 800 * time.Millisecond
	before, err := t.Broker.Stats(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	working, stop := context.WithTimeout(ctx, lasts)
	defer stop()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for working.Err() == nil {
				_ = probe(working, t, t.Broker.Info().URL, lasts) // what counts is what it costs
			}
		})
	}
	all.Wait()
	after, err := t.Broker.Stats(ctx)
	if err != nil {
		return 0, err
	}
	return (after.CPUSeconds - before.CPUSeconds) / time.Since(began).Seconds(), ctx.Err()
}

// starve limits the node, which used so much of a core before, to a share of one. The release returns once the limit is gone.
func starve(ctx context.Context, n lab.Node, share, before float64) (release func(context.Context) error, err error) {
	if th, ok := n.(lab.Throttle); ok {
		if err := th.Throttle(ctx, share); err != nil {
			return nil, err
		}
		return func(ctx context.Context) error { return th.Throttle(ctx, 0) }, nil
	}
	turns, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- takeTurns(turns, n, share/max(1, before)) }() // it may run on several cores at a time
	return func(ctx context.Context) error {
		stop()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}, nil
}

// takeTurns freezes and thaws the node so that it runs for the share of the time, and leaves it thawed. When it ran for
// longer than it was to, since this process was late, it is frozen for longer, too.
func takeTurns(ctx context.Context, n lab.Node, share float64) error {
	const turn = 300 * time.Millisecond
	patient := context.WithoutCancel(ctx)
	runs := time.Duration(share * float64(turn))
	for thawed := time.Now().Add(-runs); ctx.Err() == nil; {
		if err := n.Do(patient, lab.Pause); err != nil {
			return err
		}
		ran := min(time.Since(thawed), 4*runs)
		waitFor(ctx, time.Duration(float64(ran)*(1-share)/share))
		thawed = time.Now()
		if err := n.Do(patient, lab.Resume); err != nil {
			return fmt.Errorf("thaw it: %w", err)
		}
		waitFor(ctx, runs)
	}
	return nil
}

// waitFor waits, unless ctx ends first.
func waitFor(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
