// Package planted tries the judge on the real worker: harness.Run drives it, with the goroutine pool and inside this
// process, against the memory broker with a bug planted in it that counts how often it strikes.
package planted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness"
	"taskbench/harness/checks/oracle"
	"taskbench/harness/lab/embedded"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
	"taskbench/harness/systems/native"
	"taskbench/harness/tasks"
	"taskbench/worker"
	"taskbench/worker/result"
)

// Run drives the mutant once and judges it. The result goes to dir. The error is the run's, and no verdict.
func (m Mutant) Run(ctx context.Context, dir string, seed uint64) (harness.Cell, int, error) {
	engine := memory.New()
	defer engine.Close()
	p := newPlant(m, seed)
	r, err := harness.Run(ctx, p.plan(engine, dir, seed), nil)
	if err != nil {
		return harness.Cell{}, 0, fmt.Errorf("run the worker against a broker that %s: %w", m.Doc, err)
	}
	return r.Cells[0], p.struck(), nil
}

// plan is the run of one cell in which the mutant is at work.
func (p *plant) plan(engine *memory.Engine, dir string, seed uint64) harness.Plan {
	s := p.mutant.scenario()
	cell := harness.CellPlan{
		Scenario: s, Driver: p.driver(engine), System: p.inside(), Repeat: 1, Lab: embedded.New(embedded.Options{}),
	}
	cell.Variant = cell.Driver.Variants[0]
	return harness.Plan{
		Request: harness.Request{Name: s.Name, Scenarios: []scenario.Scenario{s}, Repeat: 1, Seed: seed, Lab: "embedded", Dir: dir},
		Cells:   []harness.CellPlan{cell},
	}
}

// Disagreements says where what the checks found in a cell differs from what the bug did, a line each: none is a judge
// that is right.
func (m Mutant) Disagreements(c harness.Cell, struck int) []string {
	var wrong []string
	for _, v := range c.Checks {
		switch {
		case v.Check == m.Check:
			if v.Count != struck {
				wrong = append(wrong, fmt.Sprintf("%s: found %d, planted %d", v.Check, v.Count, struck))
			}
		case !oracle.Blames(v.Check), slices.Contains(m.Also, v.Check):
		case v.Count != 0:
			wrong = append(wrong, fmt.Sprintf("%s: found %d, and nothing of that kind was planted", v.Check, v.Count))
		}
	}
	if len(c.Checks) == 0 {
		wrong = append(wrong, "nothing was judged: "+strings.Join(c.Warnings, "; "))
	}
	return wrong
}

// driver is the memory broker, in this process, as the plant hands it on.
func (p *plant) driver(engine *memory.Engine) brokers.Driver {
	v := memory.Driver.Variants[0]
	v.Name = p.mutant.Name
	v.Settings = p.mutant.Settings
	return brokers.Driver{
		Name:     "planted",
		Variants: []brokers.Variant{v},
		Open: func(context.Context, string, brokers.Variant) (brokers.Broker, error) {
			return &broker{countable: engine.Broker().(countable), plant: p}, nil
		},
		Server: brokers.ServerSpec{Product: "planted", Library: true, URL: func(string) string { return "planted:" }},
	}
}

// inside is the native worker in this process: what hands messages to it is not in another one's reach.
func (p *plant) inside() systems.System {
	results := newResults(p)
	return systems.System{
		Name: "native", Doc: "taskbench's own worker, inside this process", Pools: []string{"goroutine"},
		Start: func(ctx context.Context, s systems.Spec) (systems.Worker, error) {
			w := &resident{spec: s}
			if s.System.Results != "" {
				w.results = results
			}
			if err := w.Start(ctx); err != nil {
				return nil, err
			}
			return w, nil
		},
		Count: func(context.Context, string) (systems.Counter, error) { return results.connect(), nil },
		Beat:  startBeat,
	}
}

// A resident is a worker that runs in this process.
type resident struct {
	spec    systems.Spec
	results result.Backend // nil: none are kept
	ahead   atomic.Int64   // nanoseconds: of its clock

	mu   sync.Mutex
	stop context.CancelFunc
	done chan error // told once how the worker ended
}

func (w *resident) Name() string { return w.spec.Name }

func (w *resident) Start(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	evidence, err := ledger.OpenEvidence(w.spec.Evidence, w.spec.Name, w.spec.Index)
	if err != nil {
		return fmt.Errorf("start %s: open its evidence: %w", w.spec.Name, err)
	}
	y := w.spec.System
	ready := make(chan struct{})
	made, err := worker.New(worker.Config{
		Name: w.spec.Name, Queues: w.spec.Queues, Pool: y.Pool, Concurrency: y.Concurrency, Prefetch: y.Prefetch,
		Acks: worker.AckPolicy(y.Acks), Grace: y.Grace, URL: w.spec.URL, Variant: w.spec.Variant.Name, Silent: true,
	}, worker.Options{
		Registry: tasks.Registry(), Driver: w.driver(), Clock: w.now, Observer: native.Witness{Run: w.spec.Run, Evidence: evidence},
		Results: w.results, Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) },
	})
	if err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", w.spec.Name, err), evidence.Close())
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stop, w.done = stop, make(chan error, 1)
	go func() { w.done <- errors.Join(made.Run(run), evidence.Close()) }()
	select {
	case <-ready:
		return nil
	case err := <-w.done:
		stop()
		w.stop = nil
		return fmt.Errorf("start %s: it ended before it consumed: %w", w.spec.Name, err)
	case <-ctx.Done():
		return fmt.Errorf("start %s: %w", w.spec.Name, ctx.Err())
	}
}

// driver gives each connection the worker's clock.
func (w *resident) driver() brokers.Driver {
	d := w.spec.Driver
	open := d.Open
	d.Open = func(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
		b, err := open(ctx, url, v)
		if planted, ok := b.(*broker); ok {
			planted.clock = w.now
		}
		return b, err
	}
	return d
}

func (w *resident) now() time.Time { return time.Now().Round(0).Add(time.Duration(w.ahead.Load())) }

// SetClock implements systems.Timekeeper.
func (w *resident) SetClock(d systems.Drift) error {
	if d.Rate != 0 {
		return errors.New("the clock of a worker inside this process has one speed")
	}
	w.ahead.Store(int64(d.Ahead))
	return nil
}

// Time implements systems.Timekeeper.
func (w *resident) Time(context.Context) (time.Time, error) { return w.now(), nil }

// PIDs is this process, as long as the worker runs.
func (w *resident) PIDs() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		return nil
	}
	return []int{os.Getpid()}
}

func (w *resident) Kill(context.Context, ...int) error {
	return errors.New("a worker inside this process cannot be killed")
}

func (w *resident) Stop(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop == nil {
		return nil
	}
	w.stop()
	w.stop = nil
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s did not leave in time: %w", w.spec.Name, ctx.Err())
	}
}

// scenario is the mutant's workload, offered evenly for its time.
func (m Mutant) scenario() scenario.Scenario {
	s := scenario.Scenario{
		Name: m.Name, Asks: "Is it noticed that the broker " + m.Doc + "?",
		Workload: scenario.Workload{Name: m.Name, Tasks: m.Tasks, Chord: m.Chord},
		Load:     scenario.Load{Shape: "constant", Rate: m.Rate, For: m.For, Publishers: 8},
		System:   scenario.System{Name: "native", Pool: "goroutine", Workers: 2, Concurrency: 16, Acks: "late", Prefetch: 32, Grace: 5 * time.Second},
		Drain:    30 * time.Second,
		Faults:   m.Faults,
		Expect:   []scenario.Expect{{Expr: "acknowledged > 0"}},
	}
	if m.Rate == 0 {
		s.Load.Rate = 150
	}
	if m.For == 0 {
		s.Load.For = 1500 * time.Millisecond
	}
	if len(m.Tasks) == 0 {
		s.Workload.Tasks = []scenario.TaskMix{brief}
	}
	if m.Chord > 0 {
		s.System.Results = "broker"
	}
	s.System.Beat = m.Beat
	if m.OneByOne {
		s.Load.Publishers, s.System.Workers, s.System.Concurrency, s.System.Prefetch = 1, 1, 1, 1
	}
	for i := range s.Workload.Tasks {
		if s.Workload.Tasks[i].Weight == 0 {
			s.Workload.Tasks[i].Weight = 1
		}
	}
	return s
}

// brief is a task that does nothing for a millisecond.
var brief = scenario.TaskMix{Task: "io", Duration: scenario.Dist{Kind: "constant", P50: time.Millisecond}, Via: "sleep"}
