package interop_test

import (
	"context"
	"testing"

	"taskbench/brokers"
	"taskbench/worker/canvas"
	"taskbench/worker/client"
	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/redis"
)

// A caller is our client side, towards the worker of one court that is named by node and takes from queue.
type caller struct {
	*client.Client
	broker      brokers.Broker
	exchanger   brokers.Exchanger
	results     *redis.Backend
	follower    *canvas.Follower
	queue, node string
}

// A call is what our client does with a worker's tasks.
type call struct {
	name string
	do   func(ctx context.Context, c *caller) error
}

// caller opens the client side; it is closed when the test ends.
func (c *court) caller(t *testing.T, p *party) *caller {
	t.Helper()
	queue, node := p.queue, p.node
	b, err := c.driver.Open(t.Context(), c.server.URL, c.variant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	results, err := redis.Open(t.Context(), c.backend, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { results.Close() })
	route := func(_ string, o message.Options) message.Options {
		o.Queue = queue
		return o
	}
	exchanger, _ := b.(brokers.Exchanger) // not every broker is one
	return &caller{
		Client: client.New(b, client.WithResults(results), client.WithRoute(route)),
		broker: b, exchanger: exchanger, results: results, queue: queue, node: node,
		follower: &canvas.Follower{Publisher: b, Results: results, Route: func(string) string { return queue }},
	}
}

// Our client calls Celery's worker.
func TestGoClient(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) { c.callAll(t, c.theirs(t, "called"), "go") })
}

// Our client calls our worker, with a Celery beside both.
func TestGoItself(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) { c.callAll(t, c.ours(t, "threads", "called"), "ourselves") })
}

func (c *court) callAll(t *testing.T, p *party, what string) {
	one := c.caller(t, p) // closed after the parallel tests
	for _, call := range calls {
		t.Run(call.name, func(t *testing.T) {
			t.Parallel()
			judge(t, what+" "+call.name, call.do(soon(t), one))
		})
	}
}
