package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	broker "taskbench/brokers/memory"
	"taskbench/harness/faults"
	"taskbench/harness/lab"
	"taskbench/harness/lab/labs"
	"taskbench/harness/lab/proxy"
	"taskbench/harness/lab/proxy/step"
	"taskbench/harness/ledger"
	"taskbench/harness/scenario"
	"taskbench/harness/systems"
)

// newStepStage has a broker in this process behind a proxy, and a schedule of one fault at a step.
func newStepStage(t *testing.T, f scenario.Fault) (*stage, brokers.Broker) {
	t.Helper()
	s := &stage{start: ledger.Now(), turns: newTurns(0)}
	s.clock = &clock{watch: func(Progress) {}}
	s.cell.Driver, s.cell.Variant = broker.Driver, broker.Driver.Variants[0]
	s.cell.Scenario.Faults = []scenario.Fault{f}
	l, _, err := labs.Pick(t.Context(), labs.Embedded, s.cell.Driver, s.cell.Variant, labs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.node, err = l.Start(t.Context(), lab.Request{Driver: s.cell.Driver, Variant: s.cell.Variant, Name: "broker", LogPath: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.node.Close(t.Context()) })
	if s.proxy, err = proxy.Listen(t.Context(), s.node.Info().Addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.proxy.Close() })
	s.follow()
	s.url = s.cell.Driver.Server.URL(s.proxy.Addr())
	s.sendURL = s.url
	b, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return s, b
}

func (s *stage) target() faults.Target {
	return faults.Target{Broker: s.node, Proxy: s.proxy, Via: s.url, Driver: s.cell.Driver}
}

// Whatever the fault is, it is in force before the step it waits for can go on, and its proof and its counts say so.
func TestFaultAtAStep(t *testing.T) {
	for _, fault := range []string{"disconnect", "half-open", "kill"} {
		t.Run(fault, func(t *testing.T) {
			s, b := newStepStage(t, scenario.Fault{Fault: fault, Node: "broker", On: "publish", Nth: 3, For: 10 * time.Millisecond})
			done := make(chan []injection, 1)
			go func() { done <- s.breakAndHeal(t.Context(), time.Now()) }()
			published := make(chan error, 1)
			go func() {
				for { // the trap may be set a little later than the first of them
					if err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("x")}); err != nil || s.healedAny.Load() {
						published <- err
						return
					}
				}
			}()
			i := (<-done)[0]
			if i.err != nil || i.healed == 0 {
				t.Fatalf("healed at %d: %v", i.healed, i.err)
			}
			if !strings.HasPrefix(i.proof, "publish 3 on connection 1 was seen and withheld from the server; ") || i.steps[step.Publish] != 3 {
				t.Errorf("proof %q, steps %v", i.proof, i.steps)
			}
			if r := faultResults([]injection{i}, 0); len(r) != 1 || r[0].Steps[step.Publish] != 3 {
				t.Errorf("in the result: %+v", r)
			}
			if err := <-published; (err == nil) != (fault == "half-open") || err != nil && brokers.Definite(err) {
				t.Errorf("the publish that was hit: %v", err)
			}
		})
	}
}

// An idle worker is one process, which may have connections; Kill notes that it was killed.
type idleWorker struct {
	name   string
	pid    int
	killed chan string
}

func (w idleWorker) Name() string { return w.name }
func (w idleWorker) PIDs() []int  { return []int{w.pid} }
func (w idleWorker) Kill(context.Context, ...int) error {
	w.killed <- w.name
	return nil
}
func (w idleWorker) Stop(context.Context) error  { return nil }
func (w idleWorker) Start(context.Context) error { return nil }

// A fault on a worker at a step hits the worker whose connection is at the step, and no other; publishers do not count.
func TestWorkerFaultAtAStepHitsTheWorkerThatIsAtIt(t *testing.T) {
	killed := make(chan string, 9)
	for seed := range uint64(3) {
		s, b := newStepStage(t, scenario.Fault{Fault: "kill", Node: "worker", On: "publish", Nth: 2, Number: 1})
		s.plan.Seed = seed
		s.workers = nil
		for i, pid := range []int{os.Getppid(), os.Getppid(), os.Getpid(), os.Getppid()} { // a parent has no connection to the proxy
			s.workers = append(s.workers, idleWorker{name: fmt.Sprintf("worker-%d", i+1), pid: pid, killed: killed})
		}
		publisher, err := s.cell.Driver.Open(t.Context(), s.cell.Driver.Server.URL(s.proxy.AddrOf(proxy.Publishers)), s.cell.Variant)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan []injection, 1)
		go func() { done <- s.breakAndHeal(t.Context(), time.Now()) }()
		for len(done) == 0 {
			for _, b := range []brokers.Broker{publisher, b} {
				if err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("x")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		i := (<-done)[0]
		if hit := <-killed; i.err != nil || i.node != "worker-3" || hit != "worker-3" {
			t.Errorf("seed %d: killed %s, and %q says the result: %v", seed, hit, i.node, i.err)
		}
		if !strings.HasPrefix(i.proof, "publish 2 on connection 1 was seen and withheld from the server, and is worker-3's; SIGKILL") {
			t.Errorf("proof %q", i.proof)
		}
		if err := publisher.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A connection that no worker has any more is no reason to hurt another one.
func TestWorkerFaultAtAStepOfNobody(t *testing.T) {
	f := scenario.Fault{Fault: "kill", Node: "worker", On: "publish", Nth: 1, Number: 1}
	s, b := newStepStage(t, f)
	killed := make(chan string, 1)
	s.workers = []systems.Worker{idleWorker{name: "worker-1", pid: os.Getppid(), killed: killed}}
	done := make(chan injection, 1)
	go func() { done <- s.injectAtStep(t.Context(), f, s.target(), time.Now().Add(time.Minute)) }()
	for len(done) == 0 {
		if err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if i := <-done; i.err == nil || !strings.Contains(i.err.Error(), "no worker has it any more") || len(killed) > 0 {
		t.Errorf("%v, killed %d", i.err, len(killed))
	}
}

// A fault that hit nothing must not pass, and says what there was to hit.
func TestAStepThatNeverComes(t *testing.T) {
	f := scenario.Fault{Fault: "disconnect", Node: "broker", On: "ack", Nth: 1, For: time.Second}
	s, b := newStepStage(t, f)
	done := make(chan injection, 1)
	go func() { done <- s.injectAtStep(t.Context(), f, s.target(), time.Now().Add(300*time.Millisecond)) }()
	for len(done) == 0 {
		if err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	i := <-done
	if i.err == nil || i.inEffect != 0 {
		t.Fatalf("in effect at %d: %v", i.inEffect, i.err)
	}
	for _, want := range []string{"fault disconnect at ack 1 was never injected", " publish", " confirm"} {
		if !strings.Contains(i.err.Error(), want) {
			t.Errorf("%v does not say %q", i.err, want)
		}
	}
}

// Without such a fault in the schedule nobody reads along.
func TestOnlyStepsAreFollowed(t *testing.T) {
	s, _ := newStepStage(t, scenario.Fault{Fault: "disconnect", Node: "broker", For: time.Second})
	if _, err := s.proxy.Arm(step.Ack, 1); err == nil {
		t.Error("the proxy reads along")
	}
}

func TestStepsThatDoNotFit(t *testing.T) {
	for _, c := range []struct{ broker, on, want string }{
		{"memory", "ack", ""},
		{"memory", "result", "disconnect on broker at a step: no result is stored"},
		{"sqlite", "ack", "the broker is a library"},
	} {
		var s scenario.Scenario
		s.System.Pool = "goroutine"
		s.Faults = []scenario.Fault{{Fault: "disconnect", Node: "broker", On: c.on, Nth: 1, For: time.Second}}
		p, err := NewPlan(t.Context(), Request{Name: "steps", Scenarios: []scenario.Scenario{s}, Brokers: []string{c.broker}, Lab: "embedded", Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Cells[0].Unfit; !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s at %s: unfit %q, want %q", c.broker, c.on, got, c.want)
		}
	}
	driver := broker.Driver
	driver.Wire = nil // as of a broker whose wire nobody has described
	s := scenario.Scenario{Faults: []scenario.Fault{{Fault: "disconnect", Node: "broker", On: "ack", Nth: 1}}}
	l, _, err := labs.Pick(t.Context(), labs.Embedded, broker.Driver, broker.Driver.Variants[0], labs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := unfit(CellPlan{Scenario: s, Driver: driver, Lab: l}); !strings.Contains(got, "not understood") {
		t.Errorf("a wire that nobody has described: %q", got)
	}
}
