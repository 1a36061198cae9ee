package faults

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"taskbench/harness/systems"
)

// slowWorker does not leave in time when it is asked to, and is killed for it.
type slowWorker struct{ up bool }

func (w *slowWorker) Name() string { return "worker-1" }
func (w *slowWorker) PIDs() []int {
	if w.up {
		return []int{42}
	}
	return nil
}
func (w *slowWorker) Kill(context.Context, ...int) error {
	w.up = false
	return errors.New("still there")
}
func (w *slowWorker) Stop(context.Context) error {
	w.up = false
	return errors.New("did not leave in time")
}
func (w *slowWorker) Start(context.Context) error {
	if w.up {
		return errors.New("is up already")
	}
	w.up = true
	return nil
}

// A fault that failed leaves nothing to heal: the worker is up again.
func TestFailedInjectionLeavesTheWorkerUp(t *testing.T) {
	for _, name := range []string{"stop", "kill"} {
		w := &slowWorker{up: true}
		f, a := plain(t, name, "worker")
		_, err := f.Inject(t.Context(), Target{Workers: []systems.Worker{w}, Rand: rand.New(rand.NewPCG(1, 1))}, a)
		if err == nil || !w.up {
			t.Errorf("%s: error %v, worker up: %v", name, err, w.up)
		}
	}
}

// halfWorker says that it has left, and one process of it stays.
type halfWorker struct {
	slowWorker
	half, killed bool
}

func (w *halfWorker) Stop(context.Context) error {
	w.half = true
	return nil
}
func (w *halfWorker) Kill(context.Context, ...int) error {
	w.up, w.half, w.killed = false, false, true
	return nil
}

// plain is a fault with its parameters as they are by default.
func plain(t *testing.T, name, node string) (Fault, Args) {
	t.Helper()
	f, err := Find(name, node)
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Args(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f, a
}

// A worker that left by half is ended and started: what stays of it would be taken for a worker, and consume nothing.
func TestAWorkerThatLeftByHalfIsWholeAgain(t *testing.T) {
	w := &halfWorker{slowWorker: slowWorker{up: true}}
	f, a := plain(t, "stop", "worker")
	_, err := f.Inject(t.Context(), Target{Workers: []systems.Worker{w}, Rand: rand.New(rand.NewPCG(1, 1))}, a)
	if err == nil || !strings.Contains(err.Error(), "processes [42] are still there") {
		t.Errorf("error %v", err)
	}
	if !w.up || w.half || !w.killed {
		t.Errorf("up %v, half of it %v, killed %v", w.up, w.half, w.killed)
	}
}

// A way to leave that a system does not have is no reason to leave in another.
func TestUnknownWayToLeaveIsToldAndNotTaken(t *testing.T) {
	w := &slowWorker{up: true}
	if err := leave(t.Context(), w, systems.Cold); err == nil || !w.up {
		t.Errorf("error %v, up %v", err, w.up)
	}
}

type slowBeat struct{ slowWorker }

func (*slowBeat) Name() string { return "beat-1" }

// Of beats, too, what failed leaves nothing to heal, and workers are not taken for them.
func TestKillOfABeat(t *testing.T) {
	f, a := plain(t, "kill", "beat")
	b, w := &slowBeat{slowWorker{up: true}}, &slowWorker{up: true}
	target := Target{Beats: []systems.Worker{b}, Workers: []systems.Worker{w}, Rand: rand.New(rand.NewPCG(1, 1))}
	if _, err := f.Inject(t.Context(), target, a); err == nil || !strings.Contains(err.Error(), "kill beat-1") || !b.up {
		t.Errorf("error %v, beat up: %v", err, b.up)
	}
	target.Beats = nil
	if _, err := f.Inject(t.Context(), target, a); err == nil || !strings.Contains(err.Error(), "among the beats") || !w.up {
		t.Errorf("without a beat: error %v, worker up: %v", err, w.up)
	}
}

// killedBeat is one that is killed, and starts again.
type killedBeat struct{ slowBeat }

func (b *killedBeat) Kill(context.Context, ...int) error { b.up = false; return nil }

// The healing of a beat does not claim what only a worker does.
func TestABeatRunsAgain(t *testing.T) {
	f, a := plain(t, "kill", "beat")
	b := &killedBeat{slowBeat{slowWorker{up: true}}}
	e, err := f.Inject(t.Context(), Target{Beats: []systems.Worker{b}, Rand: rand.New(rand.NewPCG(1, 1))}, a)
	if err != nil {
		t.Fatal(err)
	}
	if proof, err := e.Heal(t.Context()); err != nil || !strings.HasPrefix(proof, "runs again after") {
		t.Errorf("healed: %q, %v", proof, err)
	}
}
