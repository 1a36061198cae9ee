package tasks

import (
	"context"
	"fmt"
	"os"
	"sync"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var leak = task{
	spec: scenario.TaskSpec{
		Name:   "leak",
		Doc:    "Allocates memory and never lets go of it, so that the process that runs it grows.",
		Params: []scenario.Param{{Name: "keep", Doc: "how much each task keeps, such as 64KiB"}},
		Needs:  []string{"keep"},
	},
	run: runLeak,
}

// kept is what the tasks of this process have leaked. It is the one thing that a task leaves behind.
var kept struct {
	sync.Mutex
	blocks [][]byte
	bytes  int64
}

// maxKeep is the most that one task may leak.
const maxKeep = 1 << 30

// runLeak takes keep, in bytes. Its result is how much the process has leaked by now.
func runLeak(_ context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var keep int64
	a.need("keep", &keep)
	if a.err == nil && (keep < 0 || keep > maxKeep) {
		a.err = fmt.Errorf("task %s: cannot keep %d bytes, only 0 to %d", r.Task, keep, maxKeep)
	}
	if a.err != nil {
		return nil, a.err
	}
	block := make([]byte, keep)
	// Memory that was never written to is not resident.
	for i, page := 0, os.Getpagesize(); i < len(block); i += page {
		block[i] = 1
	}
	kept.Lock()
	defer kept.Unlock()
	kept.blocks = append(kept.blocks, block)
	kept.bytes += keep
	return kept.bytes, nil
}
