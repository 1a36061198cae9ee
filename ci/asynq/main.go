// Command asynq measures how many no-op tasks a second asynq runs, as the section celery of selfbench asks it to: it
// fills a queue, begins to work, and prints the rate over the middle four fifths of the tasks. It is a module of its own,
// so that what asynq depends on stays out of taskbench.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:6379", "where Redis answers")
	tasks := flag.Int("tasks", 20_000, "tasks to run")
	concurrency := flag.Int("concurrency", 4, "tasks at a time")
	flag.Parse()
	rate, err := measure(asynq.RedisClientOpt{Addr: *addr}, *tasks, *concurrency)
	if err != nil {
		fmt.Fprintln(os.Stderr, "asynq:", err)
		os.Exit(1)
	}
	fmt.Printf("%.0f\n", rate)
}

func measure(redis asynq.RedisClientOpt, tasks, concurrency int) (float64, error) {
	client := asynq.NewClient(redis)
	defer func() { _ = client.Close() }() // the process ends
	for range tasks {
		if _, err := client.Enqueue(asynq.NewTask("noop", nil)); err != nil {
			return 0, fmt.Errorf("enqueue: %w", err)
		}
	}
	var done atomic.Int64
	first, last := int64(tasks/10), int64(tasks-tasks/10)
	var began, ended atomic.Int64
	over := make(chan struct{})
	server := asynq.NewServer(redis, asynq.Config{Concurrency: concurrency, LogLevel: asynq.ErrorLevel})
	err := server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		switch done.Add(1) {
		case first:
			began.Store(time.Now().UnixNano())
		case last:
			ended.Store(time.Now().UnixNano())
			close(over)
		}
		return nil
	}))
	if err != nil {
		return 0, fmt.Errorf("start: %w", err)
	}
	defer server.Shutdown()
	select {
	case <-over:
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("only %d of %d tasks were run within two minutes", done.Load(), tasks)
	}
	return float64(last-first) / time.Duration(ended.Load()-began.Load()).Seconds(), nil
}
