package tasks

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var stubborn = task{
	spec: scenario.TaskSpec{
		Name: "stubborn",
		Doc: "Waits like io and does not heed the end of its time: a soft limit does nothing to it, and a hard one can only " +
			"kill its process, or abandon it where it has none of its own.",
		Params: []scenario.Param{{Name: "duration", Doc: "how long; one duration or a distribution, drawn from the seed"}},
		Needs:  []string{"duration"},
	},
	run: runStubborn,
}

// runStubborn takes us, the microseconds to wait. Its result is whether it was asked to end before.
func runStubborn(ctx context.Context, r *worker.Request) (any, error) {
	wait, err := hold(r)
	if err != nil {
		return nil, err
	}
	time.Sleep(wait)
	return ctx.Err() != nil, nil
}

// hold reads how long a task is to hold its place whatever happens.
func hold(r *worker.Request) (time.Duration, error) {
	a := arguments{r: r}
	var us int64
	a.need("us", &us)
	if a.err == nil && (us < 0 || us > maxWait.Microseconds()) {
		a.err = fmt.Errorf("task %s: cannot wait %d us, only 0 to %d", r.Task, us, maxWait.Microseconds())
	}
	return time.Duration(us) * time.Microsecond, a.err
}
