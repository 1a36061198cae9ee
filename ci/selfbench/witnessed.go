package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
)

// A witnessed is a worker process that writes evidence of what it does, and the ledger that this process keeps of it.
type witnessed struct {
	run    ledger.Run
	ledger *ledger.Recorder
	end    func(ctx context.Context) error
}

// witnessed starts one, which consumes once this returns.
func (s site) witnessed(ctx context.Context, pool string, concurrency, prefetch int) (*witnessed, error) {
	run := ledger.NewRun(rand.NewPCG(rand.Uint64(), 0))
	evidence, err := os.MkdirTemp(s.dir, "evidence-")
	if err != nil {
		return nil, err
	}
	w, err := native.System.Start(ctx, systems.Spec{
		Name: "worker-1", Index: 1, Driver: s.driver, Variant: s.variant, URL: s.url, Queues: []string{brokers.DefaultQueue},
		System: scenario.System{Pool: pool, Workers: 1, Concurrency: concurrency, Acks: "late", Prefetch: prefetch, Grace: 10 * time.Second},
		Run:    run, Evidence: evidence, LogPath: filepath.Join(s.dir, "worker.log"),
	})
	if err != nil {
		return nil, err
	}
	r := ledger.NewRecorder(run, ledger.Now())
	collector := ledger.NewCollector(evidence, r)
	collecting, stop := context.WithCancel(ctx)
	go func() { _ = collector.Run(collecting) }() // what it misses shows as tasks that were not executed
	return &witnessed{run: run, ledger: r, end: func(ctx context.Context) error {
		stop()
		return errors.Join(w.Stop(ctx), collector.Close())
	}}, nil
}

// executed waits until so many tasks have been run to their end, and tells how many have.
func (w *witnessed) executed(ctx context.Context, tasks int, patience time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		n := int(w.ledger.Live().Executed)
		if n >= tasks {
			return n, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return n, ctx.Err()
		}
	}
}

// noops are tasks that do nothing.
func noops() (*tasks.Mix, error) {
	return tasks.NewMix(scenario.Workload{Name: "noop", Tasks: []scenario.TaskMix{{Task: "noop", Weight: 1}}}, 1, tasks.Env{})
}
