package tasks

import (
	"context"
	"fmt"
	"runtime"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var blocker = task{
	spec: scenario.TaskSpec{
		Name: "blocker",
		Doc: "Holds its operating system thread without giving way, as a call into a library does that knows of no event loop: in green " +
			"and solo nothing else runs meanwhile.",
		Params: []scenario.Param{{Name: "duration", Doc: "how long; one duration or a distribution, drawn from the seed"}},
		Needs:  []string{"duration"},
	},
	run: runBlocker,
}

// runBlocker takes us, the microseconds to hold the thread. Nothing ends it sooner but the end of its process.
func runBlocker(_ context.Context, r *worker.Request) (any, error) {
	wait, err := hold(r)
	if err != nil {
		return nil, err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// With one processor to run on, Go would take it from a thread that sleeps and go on with the others: a loop does not.
	if err := block(wait, runtime.GOMAXPROCS(0) == 1); err != nil {
		return nil, fmt.Errorf("task %s: hold its thread: %w", r.Task, err)
	}
	return nil, nil
}
