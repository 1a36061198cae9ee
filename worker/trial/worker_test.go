package trial_test

import (
	"context"
	"sync"
	"testing"

	"taskbench/worker"
)

// A running worker is part of the test until its stop is called, or the test ends.
type running struct {
	*worker.Worker
	stop func()
}

// start starts a worker at a server and returns once it consumes.
func start(t testing.TB, s server, c worker.Config, o worker.Options) running {
	t.Helper()
	ready := make(chan struct{})
	c.Broker, c.Variant, c.URL = s.driver.Name, s.variant.Name, s.url
	c.WithoutMingle = true
	o.Registry, o.Ready = registry(), func() { close(ready) }
	if o.Driver.Open == nil {
		o.Driver = s.driver
	}
	if o.Log == nil {
		o.Log = testLog(t)
	}
	w, err := worker.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("the worker ended before it was ready: %v", err)
	}
	return running{w, stop}
}
