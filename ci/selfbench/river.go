package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"taskbench/harness/tasks"
	"taskbench/worker/interop"
)

// beside compares a worker on PostgreSQL with River, on the same server, in turns, and keeps the best of each. River has
// no prefetch: it runs as many jobs at a time as the worker has at hand.
func beside(ctx context.Context, _ settings) ([]line, error) {
	return at(ctx, "postgres:lease", func(s site) ([]line, error) {
		river := filepath.Join(s.dir, "river")
		build := exec.CommandContext(ctx, "go", "build", "-o", river, ".")
		build.Dir = "ci/river"
		if out, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build ci/river: %w\n%s", err, out)
		}
		const jobs, places, ahead = 20_000, 4, 16
		var ours, theirs float64
		for round := range 2 {
			queue := fmt.Sprintf("river-%d", round)
			rate, err := s.drain(ctx, queue, tasks.Prefix+"noop", jobs, func() (*interop.Process, error) {
				return s.worker(queue, "--pool", "goroutine", "-c", strconv.Itoa(places), "--prefetch-multiplier", strconv.Itoa(ahead), "--without-heartbeat")
			})
			if err != nil {
				return nil, err
			}
			ours = max(ours, rate)
			run := exec.CommandContext(ctx, river, "-url", s.url, "-jobs", strconv.Itoa(jobs), "-workers", strconv.Itoa(places*ahead))
			run.Stderr = os.Stderr
			out, err := run.Output()
			if err != nil {
				return nil, fmt.Errorf("run River: %w", err)
			}
			if rate, err = strconv.ParseFloat(strings.TrimSpace(string(out)), 64); err != nil {
				return nil, fmt.Errorf("run River: %w", err)
			}
			theirs = max(theirs, rate)
		}
		return []line{
			{"postgres:lease worker goroutine", fmt.Sprintf("%.0f/s", ours), "", true},
			{"postgres River", fmt.Sprintf("%.0f/s", theirs), "", true},
			{"postgres:lease worker against River", fmt.Sprintf("%.2f times", ours/theirs), "at least once", ours >= theirs},
		}, nil
	})
}
