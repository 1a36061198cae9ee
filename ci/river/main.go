// Command river measures how many no-op jobs a second River runs, as the section stores of selfbench asks it to: it
// fills a queue, begins to work, and prints the rate over the middle four fifths of the jobs. It is a module of its own,
// so that what River depends on stays out of taskbench.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

func main() {
	url := flag.String("url", "", "where PostgreSQL answers, with the database")
	jobs := flag.Int("jobs", 40_000, "jobs to run")
	workers := flag.Int("workers", 64, "jobs at a time, and so the most that one fetch brings")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	rate, err := measure(ctx, *url, *jobs, *workers)
	if err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
	fmt.Printf("%.0f\n", rate)
}

type noop struct{}

func (noop) Kind() string { return "noop" }

// A tally notes when the first tenth and the last but one tenth of the jobs had run.
type tally struct {
	river.WorkerDefaults[noop]
	first, last  int64
	done         atomic.Int64
	began, ended atomic.Int64
	over         chan struct{}
}

// Work implements river.Worker.
func (t *tally) Work(context.Context, *river.Job[noop]) error {
	switch t.done.Add(1) {
	case t.first:
		t.began.Store(time.Now().UnixNano())
	case t.last:
		t.ended.Store(time.Now().UnixNano())
		close(t.over)
	}
	return nil
}

func measure(ctx context.Context, url string, jobs, workers int) (float64, error) {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return 0, fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return 0, fmt.Errorf("prepare the tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return 0, fmt.Errorf("prepare the tables: %w", err)
	}
	t := &tally{first: int64(jobs / 10), last: int64(jobs - jobs/10), over: make(chan struct{})}
	known := river.NewWorkers()
	river.AddWorker(known, t)
	// It looks for jobs as often as it can be told to: by default it would rest for 100 ms after each fetch.
	client, err := river.NewClient(driver, &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		Workers:       known,
		FetchCooldown: river.FetchCooldownMin,
		Logger:        slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return 0, fmt.Errorf("make a client: %w", err)
	}
	for left := jobs; left > 0; {
		batch := make([]river.InsertManyParams, min(left, 5000))
		for i := range batch {
			batch[i].Args = noop{}
		}
		if _, err := client.InsertManyFast(ctx, batch); err != nil {
			return 0, fmt.Errorf("enqueue: %w", err)
		}
		left -= len(batch)
	}
	if err := client.Start(ctx); err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	defer func() { _ = client.StopAndCancel(context.WithoutCancel(ctx)) }() // the process ends
	select {
	case <-t.over:
	case <-ctx.Done():
		return 0, fmt.Errorf("only %d of %d jobs were run: %w", t.done.Load(), jobs, ctx.Err())
	}
	return float64(t.last-t.first) / time.Duration(t.ended.Load()-t.began.Load()).Seconds(), nil
}
