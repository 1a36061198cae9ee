package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/worker/interop"
	"taskbench/worker/message"
)

// A site is a broker's server, a directory, and the command bench, for the sections that run whole programs.
type site struct {
	driver  brokers.Driver
	variant brokers.Variant
	url     string
	server  string // product and version
	dir     string
	bench   string // the program
}

// name is that of the broker and its variant.
func (s site) name() string { return s.driver.Name + ":" + s.variant.Name }

// at does something at a site that has the command, too; it is gone afterwards.
func at(ctx context.Context, broker string, do func(site) ([]line, error)) ([]line, error) {
	return on(ctx, broker, func(s site) ([]line, error) {
		s.bench = filepath.Join(s.dir, "bench")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.bench, "./cmd/bench").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build bench: %w\n%s", err, out)
		}
		return do(s)
	})
}

// on does something with a broker's server and a directory, which are gone afterwards.
func on(ctx context.Context, broker string, do func(site) ([]line, error)) (_ []line, err error) {
	d, v, err := all.Find(broker)
	if err != nil {
		return nil, err
	}
	l, _, err := labs.Pick(ctx, labs.Auto, d, v, labs.Options{Make: true})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taskbench-selfbench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	node, err := l.Start(ctx, lab.Request{Driver: d, Variant: v, Name: "broker", LogPath: filepath.Join(dir, "broker.log")})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, node.Close(context.WithoutCancel(ctx))) }()
	info := node.Info()
	return do(site{driver: d, variant: v, url: info.URL, server: info.Product + " " + info.Version, dir: dir})
}

// worker starts `bench worker` on a queue.
func (s site) worker(queue string, flags ...string) (*interop.Process, error) {
	args := append([]string{s.bench, "worker", "--broker", s.name(), "--url", s.url, "-Q", queue}, flags...)
	return interop.Start(args, os.Environ(), s.dir, filepath.Join(s.dir, "worker.log"))
}

// fill publishes so many tasks without arguments to a queue.
func (s site) fill(ctx context.Context, b brokers.Broker, queue, task string, tasks int) error {
	const publishers = 32
	errs := make([]error, publishers)
	var wait sync.WaitGroup
	for p := range publishers {
		wait.Go(func() {
			for i := p; i < tasks && errs[p] == nil; i += publishers {
				var m brokers.Message
				m, errs[p] = message.New(task, fmt.Sprintf("selfbench-%s-%d", queue, i), nil, nil, message.Options{Queue: queue})
				if errs[p] == nil {
					errs[p] = b.Publish(ctx, m)
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}

// drain fills a queue, starts a worker, and returns how many tasks a second it takes from the first tenth to the last.
func (s site) drain(ctx context.Context, queue, task string, tasks int, start func() (*interop.Process, error)) (rate float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	if err := s.fill(ctx, b, queue, task, tasks); err != nil {
		return 0, err
	}
	w, err := start()
	if err != nil {
		return 0, err
	}
	defer w.Stop(10 * time.Second)
	from, began, err := s.falls(ctx, b, w, queue, tasks-tasks/10)
	if err != nil {
		return 0, err
	}
	to, ended, err := s.falls(ctx, b, w, queue, tasks/10)
	if err != nil {
		return 0, err
	}
	if _, _, err := s.falls(ctx, b, w, queue, 0); err != nil {
		return 0, err
	}
	return float64(from-to) / ended.Sub(began).Seconds(), nil
}

// falls waits until no more than so many messages are ready, and tells how many there are and when.
func (s site) falls(ctx context.Context, b brokers.Broker, w *interop.Process, queue string, most int) (int, time.Time, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		ready, _, err := b.(brokers.Inspector).Depth(ctx, queue)
		if err != nil {
			return 0, time.Time{}, err
		}
		if ready <= most {
			return ready, time.Now(), nil
		}
		select {
		case <-tick.C:
		case <-w.Done():
			return 0, time.Time{}, fmt.Errorf("the worker ended: %.2000s", w.Log())
		case <-ctx.Done():
			return 0, time.Time{}, fmt.Errorf("%d tasks are left in %s: %w; the worker says: %.2000s", ready, queue, ctx.Err(), w.Log())
		}
	}
}
