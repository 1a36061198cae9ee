package faults

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"taskbench/harness/lab/proc"
	"taskbench/harness/systems"
)

var _ = register(Fault{
	Name: "pause",
	Node: "worker",
	For:  down,
	Doc: "Freezes one worker, parent and children, so that its connections stay open and what it holds stays taken; thaws it after `for` " +
		"(2s). The seed chooses the victim.",
	Unfit: always,
	Inject: func(ctx context.Context, t Target, _ Args) (Effect, error) {
		w, err := victim(t)
		if err != nil {
			return Effect{}, err
		}
		thaw := func(ctx context.Context) (string, error) {
			began := time.Now()
			if err := settle(ctx, w, syscall.SIGCONT, false); err != nil {
				return "", fmt.Errorf("thaw %s: %w", w.Name(), err)
			}
			return fmt.Sprintf("every process runs again after %.3f s", time.Since(began).Seconds()), nil
		}
		if err := settle(ctx, w, syscall.SIGSTOP, true); err != nil {
			return Effect{}, withdraw(ctx, thaw, fmt.Errorf("freeze %s: %w", w.Name(), err))
		}
		return Effect{Node: w.Name(), Proof: fmt.Sprintf("processes %v are stopped", w.PIDs()), Heal: thaw}, nil
	},
})

// settle repeats a signal to every process of a worker until all of them are stopped, or none is.
func settle(ctx context.Context, w systems.Worker, s syscall.Signal, stopped bool) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		pids := w.PIDs()
		if len(pids) == 0 {
			return errors.New("it is gone")
		}
		settled := true
		for _, pid := range pids {
			_ = syscall.Kill(pid, s) // it may have gone, and then its state says so
			p, err := proc.Read(pid)
			if errors.Is(err, proc.ErrGone) || err == nil && p.Gone() {
				continue
			}
			settled = settled && err == nil && (p.State == 'T') == stopped
		}
		if settled {
			return nil
		}
		waitFor(ctx, 2*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("not every process of %v followed: %w", pids, ctx.Err())
		}
	}
}
