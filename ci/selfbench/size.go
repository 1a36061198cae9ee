package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"taskbench/brokers"
	"taskbench/harness/lab/proc"
	"taskbench/harness/tasks"
	"taskbench/worker/interop"
)

// firstTask measures how long it takes from the start of a worker process until the task that waits for it is done.
func firstTask(ctx context.Context, _ settings) ([]line, error) {
	const goal = 300 * time.Millisecond
	var lines []line
	var errs []error
	for _, broker := range []string{"redis:memory", "rabbitmq:classic"} {
		more, err := at(ctx, broker, func(s site) (lines []line, err error) {
			for _, pool := range []string{"prefork", "goroutine"} {
				best := time.Hour
				for round := range 3 {
					took, err := s.first(ctx, fmt.Sprintf("first-%s-%d", pool, round), pool)
					if err != nil {
						return nil, err
					}
					best = min(best, took)
				}
				lines = append(lines, line{s.driver.Name + " start to first task, " + pool, best.Round(time.Millisecond).String(), "below 300ms", best < goal})
			}
			return lines, nil
		})
		lines, errs = append(lines, more...), append(errs, err)
	}
	return lines, errors.Join(errs...)
}

func (s site) first(ctx context.Context, queue, pool string) (time.Duration, error) {
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if err := s.fill(ctx, b, queue, tasks.Prefix+"noop", 1); err != nil {
		return 0, err
	}
	began := time.Now()
	w, err := s.worker(queue, "--pool", pool, "-c", "8")
	if err != nil {
		return 0, err
	}
	defer w.Stop(10 * time.Second)
	_, ended, err := s.falls(ctx, b, w, queue, 0)
	return ended.Sub(began), err
}

// idle measures the memory of a prefork worker that has nothing to do.
func idle(ctx context.Context, _ settings) ([]line, error) {
	const goal = 150 << 20
	return at(ctx, "redis:memory", func(s site) ([]line, error) {
		w, err := s.worker("idle", "--pool", "prefork", "-c", "8")
		if err != nil {
			return nil, err
		}
		defer w.Stop(10 * time.Second)
		if err := w.Printed(ctx, "consuming"); err != nil {
			return nil, err
		}
		if err := pause(ctx, 5*time.Second); err != nil { // for the memory of starting to be given back
			return nil, err
		}
		all, err := proc.All()
		if err != nil {
			return nil, err
		}
		sum, processes := int64(0), proc.Family(all, w.PID)
		for _, p := range processes {
			sum += p.RSS
		}
		if len(processes) < 9 {
			return nil, fmt.Errorf("there are only %d processes: %.2000s", len(processes), w.Log())
		}
		return []line{{"idle worker with 8 children, RSS of all", fmt.Sprintf("%d MiB", sum>>20), "below 150 MiB", sum < goal}}, nil
	})
}

// beatLoad measures the processor time of a beat with many entries.
func beatLoad(ctx context.Context, _ settings) ([]line, error) {
	const entries, span, goal = 10_000, time.Minute, 2.0 // each minute a sixtieth of the entries is due
	return at(ctx, "redis:memory", func(s site) ([]line, error) {
		var schedule strings.Builder
		schedule.WriteString("entries:\n")
		for i := range entries {
			fmt.Fprintf(&schedule, "  entry-%d: {task: noop, queue: ticks, schedule: %d * * * *}\n", i, i%60)
		}
		path := filepath.Join(s.dir, "schedule.yaml")
		if err := os.WriteFile(path, []byte(schedule.String()), 0o644); err != nil {
			return nil, err
		}
		args := []string{s.bench, "beat", "--broker", s.driver.Name + ":" + s.variant.Name, "--url", s.url, "--schedule", path}
		b, err := interop.Start(args, os.Environ(), s.dir, filepath.Join(s.dir, "beat.log"))
		if err != nil {
			return nil, err
		}
		defer b.Stop(10 * time.Second)
		if err := pause(ctx, 10*time.Second); err != nil { // for the schedule to be read
			return nil, err
		}
		before, err := proc.Read(b.PID)
		if err != nil {
			return nil, fmt.Errorf("%w: %.2000s", err, b.Log())
		}
		if err := pause(ctx, span); err != nil {
			return nil, err
		}
		after, err := proc.Read(b.PID)
		if err != nil {
			return nil, fmt.Errorf("%w: %.2000s", err, b.Log())
		}
		broker, err := s.driver.Open(ctx, s.url, s.variant)
		if err != nil {
			return nil, err
		}
		defer broker.Close()
		sent, _, err := broker.(brokers.Inspector).Depth(ctx, "ticks")
		if err != nil || sent < entries/60 {
			return nil, fmt.Errorf("only %d ticks were sent (%w): %.2000s", sent, err, b.Log())
		}
		share := 100 * (after.CPUSeconds - before.CPUSeconds) / span.Seconds()
		return []line{{fmt.Sprintf("beat with %d entries, %d ticks", entries, sent), fmt.Sprintf("%.2f %% of a core", share), "below 2 %", share < goal}}, nil
	})
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
