package faults

import (
	"context"
	"errors"
	"fmt"
)

var _ = register(Fault{
	Name:  "kill",
	Node:  "beat",
	For:   down,
	Ends:  true,
	Doc:   "SIGKILLs one beat; after `for` (2s) it is started again. The seed chooses the victim.",
	Unfit: always,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		t.Workers = t.Beats
		b, err := victim(t)
		if err != nil {
			return Effect{}, fmt.Errorf("among the beats: %w", err)
		}
		pids := b.PIDs()
		if err := b.Kill(ctx); err != nil {
			return Effect{}, errors.Join(fmt.Errorf("kill %s: %w", b.Name(), err), revive(ctx, b))
		}
		return Effect{Node: b.Name(), Proof: fmt.Sprintf("SIGKILL; processes %v are gone", pids), Heal: startAgain(b, "runs")}, nil
	},
})
