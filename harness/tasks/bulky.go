package tasks

import (
	"context"
	"fmt"
	"strings"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var bulky = task{
	spec: scenario.TaskSpec{
		Name:   "bulky",
		Doc:    "Returns a huge result, which has to get from a pool child to its worker.",
		Params: []scenario.Param{{Name: "result", Doc: "how large it is, such as 10MiB"}},
		Needs:  []string{"result"},
	},
	run: runBulky,
}

// maxResult is the most that one task may return.
const maxResult = 256 << 20

// runBulky takes result, in bytes.
func runBulky(_ context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var n int64
	a.need("result", &n)
	if a.err == nil && (n < 0 || n > maxResult) {
		a.err = fmt.Errorf("task %s: cannot return %d bytes, only 0 to %d", r.Task, n, maxResult)
	}
	if a.err != nil {
		return nil, a.err
	}
	return strings.Repeat("r", int(n)), nil
}
