package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

// mostSlow is the longest that a process is held up: a worker and the child that it waits for are both to be up in half a
// minute.
const mostSlow = 10 * time.Second

var _ = register(Fault{
	Name: "slow-start",
	Node: "worker",
	For:  down,
	Ends: true,
	Doc: "SIGKILLs one worker and starts it again at once, with each of its processes, parent and children, taking `delay` until it is " +
		"ready; so do children that it replaces, until `for` (2s) has passed. Then it is stopped warmly and starts as ever. The seed chooses the victim.",
	Params: map[string]Param{"delay": {Doc: "how long each takes, at most 10s", Default: time.Second, Positive: true, Most: mostSlow}},
	Unfit:  always,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		delay := param[time.Duration](a, "delay")
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		s, ok := w.(systems.SlowStarter)
		if !ok {
			return Effect{}, fmt.Errorf("the starts of %s cannot be held up", w.Name())
		}
		var took time.Duration
		err = s.SetSlowStart(delay)
		if err == nil {
			err = w.Kill(ctx)
		}
		if err == nil {
			took, err = timedStart(ctx, w)
		}
		if err == nil && took < delay {
			err = fmt.Errorf("it consumed after %v already", took)
		}
		if err != nil {
			return Effect{}, errors.Join(fmt.Errorf("start %s slowly: %w", w.Name(), err), s.SetSlowStart(0), revive(ctx, w))
		}
		return Effect{
			Node:  w.Name(),
			Proof: fmt.Sprintf("SIGKILL; each process held up for %v, it consumed %.2f s after its start", delay, took.Seconds()),
			Heal: func(ctx context.Context) (string, error) {
				if err := errors.Join(s.SetSlowStart(0), w.Stop(ctx)); err != nil {
					return "", err
				}
				now, err := timedStart(ctx, w)
				if err != nil {
					return "", fmt.Errorf("start %s again: %w", w.Name(), err)
				}
				return fmt.Sprintf("consumes again %.2f s after its start, nothing held up", now.Seconds()), nil
			},
		}, nil
	},
})

// timedStart starts a worker and says how long it took until it consumed.
func timedStart(ctx context.Context, w systems.Worker) (time.Duration, error) {
	began := time.Now()
	err := w.Start(ctx)
	return time.Since(began), err
}
