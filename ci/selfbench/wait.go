package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"taskbench/worker"
	"taskbench/worker/client"
	"taskbench/worker/message"
)

// queueWait measures how long tasks wait between the broker's confirm and their start, at a modest load.
func queueWait(ctx context.Context, _ settings) ([]line, error) {
	var lines []line
	var errs []error
	for _, w := range []struct {
		broker string
		rate   int
		goal   time.Duration
	}{
		{"redis:memory", 200, 3 * time.Millisecond},
		{"rabbitmq:classic", 200, 3 * time.Millisecond},
		{"postgres:lease", 100, 10 * time.Millisecond}, // whose server wakes its clients
		{"couchdb:lease", 100, 60 * time.Millisecond},
		{"mysql:lease", 100, 60 * time.Millisecond},
		{"mongodb:lease", 20, 60 * time.Millisecond}, // what FerretDB can do, which stands in for MongoDB without a registry
	} {
		more, err := on(ctx, w.broker, func(s site) ([]line, error) { return s.waits(ctx, w.rate, w.goal) })
		lines = append(lines, more...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", w.broker, err))
		}
	}
	return lines, errors.Join(errs...)
}

// waits paces so many tasks a second for ten seconds into an idle worker of this process.
func (s site) waits(ctx context.Context, rate int, goal time.Duration) (_ []line, err error) {
	tasks := 10 * rate
	var mu sync.Mutex
	sent, confirmed, started := map[string]time.Time{}, map[string]time.Time{}, map[string]time.Time{}
	var registry worker.Registry
	registry.Add("wait", func(_ context.Context, r *worker.Request) (any, error) {
		now := time.Now()
		mu.Lock()
		defer mu.Unlock()
		started[r.ID] = now
		return nil, nil
	})
	ready := make(chan struct{})
	w, err := worker.New(worker.Config{Name: "wait", URL: s.url, Variant: s.variant.Name, Concurrency: 8, Queues: []string{"wait"}}, worker.Options{
		Registry: &registry, Driver: s.driver, Ready: func() { close(ready) }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return nil, err
	}
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.Run(working) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		return nil, fmt.Errorf("run a worker: %w", err)
	}
	c := client.New(b)
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	var sends sync.WaitGroup
	var failed error
	for i := range tasks {
		sends.Go(func() {
			id := fmt.Sprintf("wait-%d", i)
			began := time.Now()
			err := c.SendAs(ctx, id, "wait", nil, nil, message.Options{Queue: "wait"})
			now := time.Now()
			mu.Lock()
			defer mu.Unlock()
			sent[id], confirmed[id], failed = began, now, errors.Join(failed, err)
		})
		<-tick.C
	}
	sends.Wait()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		mu.Lock()
		n := len(started)
		mu.Unlock()
		if n == tasks {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if failed != nil || len(started) < tasks {
		return nil, fmt.Errorf("%d of %d tasks were run (%w)", len(started), tasks, failed)
	}
	var waited, whole []time.Duration
	for id, at := range started {
		whole = append(whole, at.Sub(sent[id]))
		waited = append(waited, max(0, at.Sub(confirmed[id]))) // it may start before its confirm is read
	}
	slices.Sort(waited)
	slices.Sort(whole)
	p50, p99 := waited[tasks/2], waited[tasks*99/100]
	return []line{
		{fmt.Sprintf("%s queue wait p50 at %d/s", s.driver.Name, rate), p50.Round(time.Microsecond).String(), "", true},
		{s.driver.Name + " queue wait p99", p99.Round(time.Microsecond).String(), "below " + goal.String(), p99 < goal},
		{s.driver.Name + " sending to start p99", whole[tasks*99/100].Round(time.Microsecond).String(), "", true},
	}, nil
}
