package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"taskbench/harness/lab/proc"
	"taskbench/harness/systems"
)

// sleeper is a worker of one process, which sleeps.
type sleeper struct {
	name  string
	cmd   *exec.Cmd
	lives int
	fails bool // to stop
}

func (w *sleeper) Name() string { return w.name }
func (w *sleeper) PIDs() []int {
	if w.cmd == nil {
		return nil
	}
	return []int{w.cmd.Process.Pid}
}
func (w *sleeper) Kill(context.Context, ...int) error { return w.end() }
func (w *sleeper) Stop(context.Context) error {
	if w.fails {
		return errors.New("it clings")
	}
	return w.end()
}
func (w *sleeper) end() error {
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	w.cmd = nil
	return nil
}
func (w *sleeper) Start(context.Context) error {
	if w.cmd != nil {
		return errors.New("is up already")
	}
	w.cmd = exec.Command("sleep", "300")
	w.lives++
	return w.cmd.Start()
}

func sleepers(t *testing.T, names ...string) (Target, []*sleeper) {
	t.Helper()
	target := Target{Rand: rand.New(rand.NewPCG(1, 1))}
	var all []*sleeper
	for _, name := range names {
		w := &sleeper{name: name}
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if w.cmd != nil {
				_ = w.end()
			}
		})
		all, target.Workers = append(all, w), append(target.Workers, systems.Worker(w))
	}
	return target, all
}

func injectWorker(t *testing.T, target Target, name string) (Effect, error) {
	t.Helper()
	f, err := Find(name, "worker")
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.Inject(t.Context(), target, a)
}

func TestRollingRestartTakesEachInTurn(t *testing.T) {
	target, workers := sleepers(t, "worker-1", "worker-2", "worker-3")
	e, err := injectWorker(t, target, "rolling-restart")
	if err != nil || e.Proof == "" {
		t.Fatalf("%q, %v", e.Proof, err)
	}
	if proof, err := e.Heal(t.Context()); err != nil || !strings.Contains(proof, "3 workers") {
		t.Errorf("healed with %q, %v", proof, err)
	}
	for _, w := range workers {
		if w.lives != 2 || w.cmd == nil {
			t.Errorf("%s had %d lives, up: %v", w.name, w.lives, w.cmd != nil)
		}
	}
}

// A worker that does not leave fails the restart, and every worker is up all the same.
func TestRollingRestartTellsWhoDidNotLeave(t *testing.T) {
	target, workers := sleepers(t, "worker-1", "worker-2")
	workers[1].fails = true
	e, err := injectWorker(t, target, "rolling-restart")
	if err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Heal(t.Context()); err == nil || !strings.Contains(err.Error(), "worker-2: it clings") {
		t.Errorf("healed with %q, %v", proof, err)
	}
	for _, w := range workers {
		if w.cmd == nil {
			t.Errorf("%s is down", w.name)
		}
	}
}

func TestPausedWorkerIsStoppedAndRunsAgain(t *testing.T) {
	target, workers := sleepers(t, "worker-1")
	state := func() byte {
		p, err := proc.Read(workers[0].PIDs()[0])
		if err != nil {
			t.Fatal(err)
		}
		return p.State
	}
	e, err := injectWorker(t, target, "pause")
	if err != nil || state() != 'T' {
		t.Fatalf("%q, %v, state %c", e.Proof, err, state())
	}
	if proof, err := e.Heal(t.Context()); err != nil || proof == "" || state() == 'T' {
		t.Errorf("healed with %q, %v, state %c", proof, err, state())
	}
	// One that is gone cannot be frozen, and that is told.
	if err := workers[0].end(); err != nil {
		t.Fatal(err)
	}
	if _, err := injectWorker(t, target, "pause"); err == nil {
		t.Error("a worker that is down was paused")
	}
}

// No worker is hurt by two faults at once: the one that another fault has is left alone.
func TestAWorkerHasOneFaultAtATime(t *testing.T) {
	for seed := range uint64(4) {
		target, workers := sleepers(t, "worker-1", "worker-2")
		target.Rand = rand.New(rand.NewPCG(seed, 1))
		target.Claim = func(name string) bool { return name != "worker-1" }
		e, err := injectWorker(t, target, "kill")
		if err != nil || e.Node != "worker-2" || workers[0].cmd == nil {
			t.Fatalf("%s, %v", e.Node, err)
		}
		if _, err := injectWorker(t, target, "kill"); err == nil || !strings.Contains(err.Error(), "being hurt already") {
			t.Errorf("the only worker left is another's: %v", err)
		}
		if _, err := e.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := injectWorker(t, target, "rolling-restart"); err == nil {
			t.Error("workers were restarted that another fault hurts")
		}
	}
}

// At a step of the protocol the victim is who is at it, whatever the seed; and nobody else where another fault has that one.
func TestTheWorkerAtTheStepIsHurt(t *testing.T) {
	for seed := range uint64(4) {
		target, workers := sleepers(t, "worker-1", "worker-2", "worker-3")
		target.Rand, target.Caught = rand.New(rand.NewPCG(seed, 1)), "worker-2"
		if e, err := injectWorker(t, target, "kill"); err != nil || e.Node != "worker-2" || workers[1].cmd != nil {
			t.Fatalf("%s, %v", e.Node, err)
		}
		target.Caught = "worker-3"
		target.Claim = func(name string) bool { return name != "worker-3" }
		if e, err := injectWorker(t, target, "kill"); err == nil || !strings.Contains(err.Error(), "worker-3, whose connection is at the step, is being hurt already") {
			t.Errorf("%s, %v", e.Node, err)
		}
	}
}
