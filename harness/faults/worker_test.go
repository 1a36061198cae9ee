package faults

import (
	"context"
	"errors"
	"math/rand/v2"
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
		f, err := Find(name, "worker")
		if err != nil {
			t.Fatal(err)
		}
		w := &slowWorker{up: true}
		a, err := f.Args(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Inject(t.Context(), Target{Workers: []systems.Worker{w}, Rand: rand.New(rand.NewPCG(1, 1))}, a)
		if err == nil || !w.up {
			t.Errorf("%s: error %v, worker up: %v", name, err, w.up)
		}
	}
}

// A way to leave that a system does not have is no reason to leave in another.
func TestUnknownWayToLeaveIsToldAndNotTaken(t *testing.T) {
	w := &slowWorker{up: true}
	if err := leave(t.Context(), w, systems.Cold); err == nil || !w.up {
		t.Errorf("error %v, up %v", err, w.up)
	}
}
