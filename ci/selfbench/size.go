package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/harness/lab/proc"
	"taskbench/harness/tasks"
)

// firstTask measures how long it takes from the start of a worker process until the task that waits for it is done.
func firstTask(ctx context.Context, _ settings) ([]line, error) {
	const goal = 300 * time.Millisecond
	var lines []line
	var errs []error
	for _, broker := range []string{"redis:memory", "rabbitmq:classic"} {
		more, err := at(ctx, broker, func(s site) (lines []line, err error) {
			for _, pool := range []string{"prefork", "goroutine"} {
				const tries = 5
				var took []time.Duration
				for round := range tries {
					one, err := s.first(ctx, fmt.Sprintf("first-%s-%d", pool, round), pool)
					if err != nil {
						return nil, err
					}
					took = append(took, one)
				}
				usual := quantile(took, 0.5)
				what := fmt.Sprintf("%s start to first task, %s, median of %d", s.driver.Name, pool, tries)
				lines = append(lines, line{what, usual.Round(time.Millisecond).String(), "below 300ms", usual < goal})
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

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
