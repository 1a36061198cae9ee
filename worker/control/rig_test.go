package control

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"taskbench/brokers"
	"taskbench/brokers/memory"
)

// A rig is an engine inside this process, in a bubble where waiting takes no time, and what its nodes log.
type rig struct {
	t      *testing.T
	engine *memory.Engine
	x      brokers.Exchanger
	log    *journal
}

func inBubble(t *testing.T, check func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := memory.New()
		check(t, &rig{t: t, engine: e, x: e.Broker().(brokers.Exchanger), log: &journal{}})
	})
}

// serve runs a node until the bubble's end, or until the returned function is called, which returns what Serve did.
func (r *rig) serve(n *Node) (stop func() error) {
	r.t.Helper()
	if n.Log == nil {
		n.Log = slog.New(slog.NewTextHandler(r.log, nil))
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Serve(ctx, r.x) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	r.t.Cleanup(func() { _ = stop() }) // a test that cares has asked
	synctest.Wait()
	return stop
}

// broadcast publishes a body as a command, whatever it is.
func (r *rig) broadcast(body string) {
	r.t.Helper()
	m := brokers.Message{ContentType: jsonType, Body: []byte(body)}
	if err := r.x.Route(r.t.Context(), namespace("").commands(), "", m); err != nil {
		r.t.Fatal(err)
	}
}

// ask sends a command to all, or to those named, and fails the test when that fails.
func (r *rig) ask(q Request) map[string]json.RawMessage {
	r.t.Helper()
	replies, err := Send(r.t.Context(), r.x, q)
	if err != nil {
		r.t.Fatal(err)
	}
	return replies
}

// answers is a handler that always says the same.
func answers(value any) Handler {
	return func(context.Context, map[string]json.RawMessage) (any, error) { return value, nil }
}

// A journal keeps what is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
