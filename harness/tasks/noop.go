package tasks

import (
	"context"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var noop = task{
	spec: scenario.TaskSpec{Name: "noop", Doc: "Does nothing: what is left is the cost of broker and worker."},
	run:  func(context.Context, *worker.Request) (any, error) { return nil, nil },
}
