package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

// down is how long a worker stays away when the scenario does not say.
const down = 2 * time.Second

var _ = register(Fault{
	Name:  "kill",
	Node:  "worker",
	For:   down,
	Ends:  true,
	Doc:   "SIGKILLs one worker, parent and children together; after `for` (2s) it is started again. The seed chooses the victim.",
	Unfit: always,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		pids := w.PIDs()
		if err := w.Kill(ctx); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("kill %s: %w", w.Name(), err), revive(ctx, w))
		}
		return Effect{
			Node:  w.Name(),
			Proof: fmt.Sprintf("SIGKILL; processes %v are gone", pids),
			Heal:  startWorker(w),
		}, nil
	},
})

// victim chooses one of the workers that are up and that no other fault hurts. At a step of the protocol it is the worker
// that is at it.
func victim(t Target) (systems.Worker, error) {
	var up []systems.Worker
	for _, w := range t.Workers {
		if t.Caught == w.Name() {
			if !t.claim(w) {
				return nil, fmt.Errorf("%s, whose connection is at the step, is being hurt already", w.Name())
			}
			return w, nil
		}
		if len(w.PIDs()) > 0 {
			up = append(up, w)
		}
	}
	if t.Caught != "" {
		return nil, fmt.Errorf("no worker %s, whose connection is at the step", t.Caught)
	}
	if len(up) == 0 {
		return nil, fmt.Errorf("no worker is up that could be hurt")
	}
	first := t.Rand.IntN(len(up))
	for i := range up {
		if w := up[(first+i)%len(up)]; t.claim(w) {
			return w, nil
		}
	}
	return nil, fmt.Errorf("every worker that is up is being hurt already")
}

// revive brings a worker back that an injection which failed has left down: nothing may stay to be healed.
func revive(ctx context.Context, w systems.Worker) error {
	if len(w.PIDs()) > 0 {
		return nil
	}
	return w.Start(context.WithoutCancel(ctx))
}

// startWorker heals whatever ended a worker: it is back once it consumes.
func startWorker(w systems.Worker) func(context.Context) (string, error) {
	return startAgain(w, "consumes")
}

// startAgain heals whatever ended a worker or a beat: it is back once its process says that it is ready.
func startAgain(w systems.Worker, does string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		began := time.Now()
		if err := w.Start(ctx); err != nil {
			return "", fmt.Errorf("start %s again: %w", w.Name(), err)
		}
		pids := w.PIDs()
		if len(pids) == 0 {
			return "", fmt.Errorf("%s was started again and died at once", w.Name())
		}
		return fmt.Sprintf("%s again after %.2f s as process %d", does, time.Since(began).Seconds(), pids[0]), nil
	}
}
