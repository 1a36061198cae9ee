package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"taskbench/harness/systems"
)

var _ = register(Fault{
	Name: "kill-child",
	Node: "worker",
	Doc:  "SIGKILLs one pool child of one worker; the worker itself must replace it. The seed chooses the victim.",
	Unfit: func(s Setting) string {
		if s.Pool != "prefork" {
			return fmt.Sprintf("pool %s has no children to kill: only prefork has", s.Pool)
		}
		return ""
	},
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		before := w.PIDs()
		if len(before) < 2 {
			return Effect{}, fmt.Errorf("%s has no child to kill at this moment", w.Name())
		}
		child := before[1+t.Rand.IntN(len(before)-1)]
		if err := w.Kill(ctx, child); err != nil {
			return Effect{}, fmt.Errorf("kill child %d of %s: %w", child, w.Name(), err)
		}
		return Effect{
			Node:  w.Name(),
			Proof: fmt.Sprintf("SIGKILL; child %d is gone", child),
			Heal: func(ctx context.Context) (string, error) {
				return awaitReplacement(ctx, w, before)
			},
		}, nil
	},
})

// awaitReplacement waits until the worker has as many children as before, one of them new.
func awaitReplacement(ctx context.Context, w systems.Worker, before []int) (string, error) {
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now := w.PIDs()
		if len(now) >= len(before) {
			for _, pid := range now[1:] {
				if !slices.Contains(before, pid) {
					return fmt.Sprintf("replaced by child %d within %.2f s", pid, time.Since(began).Seconds()), nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s never replaced its child: it has %d processes and had %d: %w", w.Name(), len(now), len(before), ctx.Err())
		case <-tick.C:
		}
	}
}
