package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
)

// Both sides of the comparison publish and consume in the same way.
const (
	publishers  = 32
	connections = 2
	concurrency = 16
	prefetch    = 64
)

// A slow server gets as many messages as take it so long, and no fewer than the fewest.
const (
	long   = 8 * time.Second
	fewest = 500
)

// A track is where both sides of a comparison run.
type track struct {
	driver   brokers.Driver
	variant  brokers.Variant
	url      string
	dir      string
	messages int
}

// endToEnd compares, on each broker, a worker that keeps a ledger with a client that does nothing at all.
func endToEnd(ctx context.Context, s settings) ([]line, error) {
	var lines []line
	var errs []error
	for _, name := range s.brokers {
		found, err := compareOn(ctx, name, s.messages)
		lines = append(lines, found...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return lines, errors.Join(errs...)
}

func compareOn(ctx context.Context, name string, messages int) ([]line, error) {
	return on(ctx, name, func(s site) ([]line, error) {
		return track{driver: s.driver, variant: s.variant, url: s.url, dir: s.dir, messages: messages}.compare(ctx)
	})
}

// compare has the bare client and the worker run in turns.
func (t track) compare(ctx context.Context) ([]line, error) {
	rate, err := t.of(fewest).bare(ctx) // which also warms up
	if err != nil {
		return nil, fmt.Errorf("bare client: %w", err)
	}
	t = t.of(min(t.messages, max(fewest, int(rate*long.Seconds()))))
	// The two take turns, so that a drift of the machine meets both.
	var bare, worker float64
	for range 2 {
		b, err := t.bare(ctx)
		if err != nil {
			return nil, fmt.Errorf("bare client: %w", err)
		}
		w, err := t.worker(ctx)
		if err != nil {
			return nil, fmt.Errorf("worker: %w", err)
		}
		bare, worker = max(bare, b), max(worker, w)
	}
	ratio := worker / bare
	goal := "at least 0.7"
	if t.driver.Name == "memory" {
		goal = "" // it shows what the ledger costs where a broker costs nothing
	}
	full := t.driver.Name + ":" + t.variant.Name
	return []line{
		{full + " bare client", fmt.Sprintf("%.0f/s", bare), "", true},
		{full + " worker", fmt.Sprintf("%.0f/s", worker), "", true},
		{full + " ratio", fmt.Sprintf("%.2f", ratio), goal, ratio >= 0.7},
	}, nil
}

// of is the track with another number of messages.
func (t track) of(messages int) track {
	t.messages = messages
	return t
}

// bare publishes with confirms, consumes and acknowledges, and returns messages a second.
func (t track) bare(ctx context.Context) (float64, error) {
	b, err := t.driver.Open(ctx, t.url, t.variant)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	c, err := b.Consume(consuming, []string{brokers.DefaultQueue}, prefetch)
	if err != nil {
		return 0, err
	}
	var acked atomic.Int64
	done := make(chan struct{})
	began := time.Now()
	for range concurrency {
		go func() {
			for d := range c.Deliveries() {
				if d.Ack(ctx) == nil && acked.Add(1) == int64(t.messages) {
					close(done)
				}
			}
		}()
	}
	run := ledger.NewRun(rand.NewPCG(rand.Uint64(), 0))
	if err := t.publish(ctx, run, nil); err != nil {
		return 0, err
	}
	select {
	case <-done:
		return float64(t.messages) / time.Since(began).Seconds(), nil
	case <-time.After(time.Minute):
		return 0, fmt.Errorf("%d of %d messages were acknowledged within a minute", acked.Load(), t.messages)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// worker does the same with a worker process that runs noop and writes evidence, while this process keeps the ledger.
func (t track) worker(ctx context.Context) (rate float64, err error) {
	run := ledger.NewRun(rand.NewPCG(rand.Uint64(), 0))
	evidence, err := os.MkdirTemp(t.dir, "evidence-")
	if err != nil {
		return 0, err
	}
	w, err := native.System.Start(ctx, systems.Spec{
		Name: "worker-1", Index: 1, Driver: t.driver, Variant: t.variant, URL: t.url, Queue: brokers.DefaultQueue,
		System: scenario.System{Pool: "goroutine", Workers: 1, Concurrency: concurrency, Acks: "late", Prefetch: prefetch, Grace: 10 * time.Second},
		Run:    run, Evidence: evidence, LogPath: filepath.Join(t.dir, "worker.log"),
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.Stop(context.WithoutCancel(ctx))) }()
	r := ledger.NewRecorder(run, ledger.Now())
	collector := ledger.NewCollector(evidence, r)
	defer collector.Close()
	collecting, stop := context.WithCancel(ctx)
	defer stop()
	go func() { _ = collector.Run(collecting) }() // what it misses shows as tasks that were not executed

	began := time.Now()
	if err := t.publish(ctx, run, r); err != nil {
		return 0, err
	}
	// The clock stops when the last task has been executed; its acknowledgement, and those of at most a prefetch of
	// others, may be on their way still.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for time.Since(began) < time.Minute {
		if r.Live().Executed >= int64(t.messages) {
			return float64(t.messages) / time.Since(began).Seconds(), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return 0, fmt.Errorf("%d of %d tasks were executed within a minute", r.Live().Executed, t.messages)
}

// publish sends all messages; a recorder keeps account of each.
func (t track) publish(ctx context.Context, run ledger.Run, r *ledger.Recorder) error {
	mix, err := tasks.NewMix(scenario.Workload{Name: "noop", Tasks: []scenario.TaskMix{{Task: "noop", Weight: 1}}}, 1, tasks.Env{})
	if err != nil {
		return err
	}
	var links []brokers.Broker
	for range connections {
		b, err := t.driver.Open(ctx, t.url, t.variant)
		if err != nil {
			return err
		}
		defer b.Close()
		links = append(links, b)
	}
	var next atomic.Uint64
	errs := make([]error, publishers)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for errs[p] == nil {
				seq := next.Add(1) - 1
				if seq >= uint64(t.messages) {
					return
				}
				if r != nil {
					r.Due(seq, ledger.Now())
					r.PublishStart(seq, ledger.Now())
				}
				errs[p] = links[p%connections].Publish(ctx, mix.Message(seq, run.ID(seq), brokers.DefaultQueue))
				if r != nil && errs[p] == nil {
					r.PublishEnd(seq, ledger.Now(), ledger.PublishOK)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
