package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/systems"
)

var _ = register(Fault{
	Name: "stop",
	Node: "worker",
	For:  down,
	Ends: true,
	Doc: "Asks one worker to leave: warm lets running tasks end, soft does so for a short time, cold does not wait. After `for` (2s) it is " +
		"started again. The seed chooses the victim.",
	Params: map[string]Param{"mode": {
		Doc: "how it is to leave", Default: string(systems.Warm), Choices: []string{string(systems.Warm), string(systems.Soft), string(systems.Cold)},
	}},
	Unfit: always,
	Inject: func(ctx context.Context, t Target, a Args) (Effect, error) {
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		mode := systems.Shutdown(param[string](a, "mode"))
		began, pids := time.Now(), w.PIDs()
		if err := leave(ctx, w, mode); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("stop %s: %w", w.Name(), err), revive(ctx, w))
		}
		if left := w.PIDs(); len(left) > 0 {
			return Effect{}, errors.Join(fmt.Errorf("stop %s: processes %v are still there", w.Name(), left), again(ctx, w))
		}
		return Effect{
			Node:  w.Name(),
			Proof: fmt.Sprintf("%s stop; processes %v left after %.2f s", mode, pids, time.Since(began).Seconds()),
			Heal:  startWorker(w),
		}, nil
	},
})

// again ends what is left of a worker that did not leave whole, and starts it: half a worker does not consume.
func again(ctx context.Context, w systems.Worker) error {
	ctx, cancel := outliving(ctx)
	defer cancel()
	err := w.Kill(ctx)
	if err != nil {
		err = fmt.Errorf("end what is left of %s: %w", w.Name(), err)
	}
	return errors.Join(err, revive(ctx, w))
}

// leave stops a worker in one of the ways.
func leave(ctx context.Context, w systems.Worker, how systems.Shutdown) error {
	if l, ok := w.(systems.Leaver); ok {
		return l.Leave(ctx, how)
	}
	if how != systems.Warm {
		return fmt.Errorf("this system's workers know no %s stop", how)
	}
	return w.Stop(ctx)
}
