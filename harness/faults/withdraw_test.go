package faults

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/harness/lab/labtest"
)

// A fault on the way to the broker that nobody notices is an error, and is taken back: nothing may stay to be healed.
func TestFaultWithoutAnEffectIsTakenBack(t *testing.T) {
	for name, want := range map[string]string{
		"disconnect": "still answered", "half-open": "still answered", "blackhole": "still answered",
		"latency": "less than 100ms", "bandwidth": "no data had to wait", "reset": "there was none",
	} {
		f, err := Find(name, "broker")
		if err != nil {
			t.Fatal(err)
		}
		target := proxied(t, new(atomic.Int64))
		a, err := f.Args(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		target.Driver.Server.Ready = func(context.Context, string) (string, error) { return "", nil } // whatever happens
		if _, err = f.Inject(t.Context(), target, a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", name, err, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := labtest.Ask(ctx, target.Proxy.Addr(), "version"); err != nil {
			t.Errorf("%s stayed in force: %v", name, err)
		}
	}
}

// That a client gets no answer because the run has ended is no proof that the broker gives none.
func TestEndOfTheRunIsNoProof(t *testing.T) {
	for _, name := range []string{"disconnect", "half-open", "blackhole"} {
		f, err := Find(name, "broker")
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.Args(0, nil)
		if err != nil {
			t.Fatal(err)
		}
		target := proxied(t, new(atomic.Int64))
		ctx, end := context.WithCancel(t.Context())
		target.Driver.Server.Ready = func(context.Context, string) (string, error) {
			end()
			return "", context.Canceled
		}
		if e, err := f.Inject(ctx, target, a); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: proof %q, error %v, want that the run has ended", name, e.Proof, err)
		}
	}
}

// What a run that ended has cut short is taken back all the same.
func TestTakingBackOutlivesTheRun(t *testing.T) {
	run, cut := context.WithCancel(t.Context())
	cut()
	why := errors.New("it had no effect")
	err := withdraw(run, func(ctx context.Context) (string, error) { return "", ctx.Err() }, why)
	if !errors.Is(err, why) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v alone", err, why)
	}
}
