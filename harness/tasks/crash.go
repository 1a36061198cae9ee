package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var crash = task{
	spec: scenario.TaskSpec{
		Name: "crash",
		Doc:  "Kills the process that runs it with SIGKILL: a pool child, or the worker itself where the pool has none.",
		Params: []scenario.Param{
			{Name: "every", Doc: "only one in so many of these tasks crashes, chosen by the seed; the others do nothing"},
			{Name: "until", Doc: "only the first so many deliveries of a task crash; without it every one does, for ever"},
		},
	},
	run: runCrash,
}

// runCrash takes crash, whether this task does; until, how often; and marks, the directory where deliveries are
// counted when that matters: the process that counts does not live to remember.
func runCrash(_ context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var really bool
	var until int64
	var marks string
	a.need("crash", &really)
	a.get("until", &until)
	if until > 0 {
		a.need("marks", &marks)
	}
	if a.err != nil {
		return nil, a.err
	}
	if !really {
		return nil, nil
	}
	if until > 0 {
		before, err := mark(marks, r.ID)
		if err != nil {
			return nil, fmt.Errorf("task %s: count its deliveries: %w", r.Task, err)
		}
		if before >= until {
			return before, nil
		}
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return nil, fmt.Errorf("task %s: kill its own process: %w", r.Task, err)
	}
	select {} // the signal is on its way, and the task must not end before it arrives
}

// mark notes down one more delivery of the task and returns how many there were before. The note is with the
// kernel when mark returns, and so survives the process. The file has the name of a hash: ids come from outside.
func mark(dir, id string) (before int64, err error) {
	sum := sha256.Sum256([]byte(id))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(filepath.Join(dir, hex.EncodeToString(sum[:16])), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	_, err = f.Write([]byte{'x'})
	return info.Size(), err
}
