package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"taskbench/harness/tasks"
	"taskbench/worker/interop"
)

// ahead is how many tasks all workers of the comparison fetch for each that they can run at a time: as many as Celery's
// documentation advises for tasks that take no time.
const ahead = 64

// crowds is how many tasks at a time they run: as many as there are processors, which is what they do unless told
// otherwise and what is aimed at is for, and twice that, to be seen beside it.
func crowds() []int { return []int{runtime.NumCPU(), 2 * runtime.NumCPU()} }

// rivals compares with the prefork workers of all Celery versions that are installed on both brokers, and with asynq on Redis.
func rivals(ctx context.Context, _ settings) ([]line, error) {
	out, err := exec.CommandContext(ctx, "ci/celery/install").Output()
	if err != nil {
		return nil, fmt.Errorf("install Celery: %w: %s", err, out)
	}
	found, err := interop.Installed(ctx, ".")
	if err != nil {
		return nil, err
	}
	var lines []line
	var errs []error
	for _, r := range []struct {
		broker string
		times  float64 // what is aimed at; 0 is nothing
	}{{"redis:memory", 20}, {"rabbitmq:classic", 4}} {
		for i, places := range crowds() {
			if i > 0 {
				r.times = 0
			}
			more, err := at(ctx, r.broker, func(s site) ([]line, error) { return s.compare(ctx, found, places, r.times) })
			lines, errs = append(lines, more...), append(errs, err)
		}
	}
	return lines, errors.Join(errs...)
}

// compare lets the workers take turns, twice, and keeps the best of each.
func (s site) compare(ctx context.Context, celeries []interop.Celery, places int, times float64) ([]line, error) {
	app := interop.App{Dir: s.dir, Broker: s.url, Queue: "celery", Conf: map[string]any{
		"task_ignore_result": true, "task_track_started": false, "worker_send_task_events": false, "task_acks_late": true,
		"worker_prefetch_multiplier": ahead,
	}}
	if err := interop.Unpack(s.dir); err != nil {
		return nil, err
	}
	type rival struct {
		name, task string
		tasks      int
		start      func(queue string) (*interop.Process, error)
	}
	ours := func(pool string) rival {
		return rival{"worker " + pool, tasks.Prefix + "noop", 40_000, func(queue string) (*interop.Process, error) {
			return s.worker(queue, "--pool", pool, "-c", strconv.Itoa(places), "--prefetch-multiplier", strconv.Itoa(ahead), "--without-heartbeat")
		}}
	}
	all := []rival{ours("prefork"), ours("goroutine")}
	for _, celery := range celeries {
		all = append(all, rival{"celery " + celery.Version + " prefork", "lab.noop", 8_000, func(queue string) (*interop.Process, error) {
			return celery.Worker(app, "rival@selfbench", filepath.Join(s.dir, "celery.log"), "-c", strconv.Itoa(places), "-Q", queue, "-l", "WARNING",
				"--without-gossip", "--without-mingle", "--without-heartbeat")
		}})
	}
	rates := make([]float64, len(all))
	for round := range 2 {
		for i, r := range all {
			queue := fmt.Sprintf("rival-%d-%d", i, round)
			rate, err := s.drain(ctx, queue, r.task, r.tasks, func() (*interop.Process, error) { return r.start(queue) })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			rates[i] = max(rates[i], rate)
		}
	}
	where := fmt.Sprintf("%s, %d at a time: ", s.driver.Name, places)
	var lines []line
	for i, r := range all {
		lines = append(lines, line{where + r.name, fmt.Sprintf("%.0f/s", rates[i]), "", true})
	}
	for i, own := range all[:2] {
		for j, other := range all[2:] {
			ratio := rates[i] / rates[2+j]
			lines = append(lines, line{where + own.name + " against " + other.name, fmt.Sprintf("%.1f times", ratio), leastTimes(times), ratio >= times})
		}
	}
	if s.driver.Name != "redis" {
		return lines, nil
	}
	rate, err := s.asynq(ctx, places)
	if err != nil {
		return lines, err
	}
	best := slices.Max(rates[:2])
	return append(lines, line{where + "asynq", fmt.Sprintf("%.0f/s", rate), "", true},
		line{where + "worker against asynq", fmt.Sprintf("%.1f times", best/rate), "more than once", best > rate}), nil
}

// leastTimes is the goal in words; 0 is none.
func leastTimes(n float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("at least %.0f times", n)
}

// asynq runs the command of ci/asynq.
func (s site) asynq(ctx context.Context, places int) (float64, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "go", "run", ".", "-addr", u.Host, "-concurrency", strconv.Itoa(places))
	cmd.Dir, cmd.Stderr = "ci/asynq", os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("run asynq: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}
