package tasks

import (
	"context"
	"fmt"
	"time"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var fail = task{
	spec: scenario.TaskSpec{
		Name:   "fail",
		Doc:    "Fails and asks to be retried, so often, and then succeeds.",
		Params: []scenario.Param{{Name: "fails", Doc: "how often"}},
		Needs:  []string{"fails"},
	},
	run: runFail,
}

// backoff before each retry: long enough to leave the worker, short enough for a run of seconds.
const backoff = 20 * time.Millisecond

// runFail takes fails. Which try this is, the message itself tells.
func runFail(_ context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var fails int
	a.need("fails", &fails)
	if a.err != nil {
		return nil, a.err
	}
	if r.Retries < fails {
		return nil, &worker.RetryError{
			After: backoff,
			Max:   fails,
			Cause: fmt.Errorf("failure %d of %d that were ordered", r.Retries+1, fails),
		}
	}
	return r.Retries, nil
}
