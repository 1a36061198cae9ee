package faults

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var _ = register(Fault{
	Name:  "stop",
	Node:  "worker",
	For:   down,
	Doc:   "SIGTERMs one worker, which stops warmly; after `for` (2s) it is started again. The seed chooses the victim.",
	Unfit: always,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		began, pids := time.Now(), w.PIDs()
		if err := w.Stop(ctx); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("stop %s: %w", w.Name(), err), revive(ctx, w))
		}
		return Effect{
			Node:  w.Name(),
			Proof: fmt.Sprintf("SIGTERM; processes %v left after %.2f s", pids, time.Since(began).Seconds()),
			Heal:  startWorker(w),
		}, nil
	},
})
