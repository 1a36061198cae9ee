package tasks

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"taskbench/harness/scenario"
	"taskbench/worker"
)

var cpu = task{
	spec: scenario.TaskSpec{
		Name: "cpu",
		Doc:  "Computes: a fixed number of iterations, the same everywhere, or as many as take a CPU time on this host.",
		Params: []scenario.Param{
			{Name: "work", Doc: "iterations"},
			{Name: "duration", Doc: "CPU time asked for, by the host's calibration; one duration or a distribution"},
		},
		Needs: []string{"work|duration"},
	},
	run: runCPU,
}

// runCPU takes work, in iterations, or cpu_us, in microseconds, with per_ms, the iterations of a millisecond.
func runCPU(ctx context.Context, r *worker.Request) (any, error) {
	a := arguments{r: r}
	var iterations, us int64
	var perMS float64
	if !a.get("work", &iterations) {
		a.need("cpu_us", &us)
		a.need("per_ms", &perMS)
		iterations = int64(float64(us) / 1e3 * perMS)
	}
	if a.err != nil {
		return nil, a.err
	}
	if iterations < 0 {
		return nil, fmt.Errorf("task %s: %d iterations are negative", r.Task, iterations)
	}
	h, err := spin(ctx, iterations)
	// The result depends on every iteration: no compiler may leave one out. 53 bits are exact in any JSON.
	return int64(h >> 11), err
}

// stride is how many iterations pass between looks at the context: some tens of microseconds.
const stride = 1 << 14

// spin is the work: a chain of dependent multiplications and shifts, with no memory and no branches that
// processors of different makes would treat differently.
func spin(ctx context.Context, iterations int64) (uint64, error) {
	h := uint64(0x9e3779b97f4a7c15)
	for done := int64(0); done < iterations; {
		n := min(stride, iterations-done)
		for i := range n {
			h = mix64(h + uint64(i))
		}
		if done += n; ctx.Err() != nil {
			return h, context.Cause(ctx)
		}
	}
	return h, nil
}

// Calibrate measures how many iterations of the cpu task's work this host does in a millisecond of CPU time:
// the median of several short runs, in less than 300 ms on an idle machine. It stops when ctx ends.
func Calibrate(ctx context.Context) (iterationsPerMS float64, err error) {
	runtime.LockOSThread() // CPU time is counted for a thread
	defer runtime.UnlockOSThread()
	const runs, iterations = 9, 2_000_000
	rates := make([]float64, runs)
	for i := range rates {
		began := threadTime()
		if _, err := spin(ctx, iterations); err != nil {
			return 0, fmt.Errorf("calibrate CPU work: %w", err)
		}
		took := max(threadTime()-began, time.Microsecond)
		rates[i] = iterations / (took.Seconds() * 1e3)
	}
	slices.Sort(rates)
	return rates[runs/2], nil
}
