package interop_test

import (
	"fmt"
	"strings"
	"testing"

	"taskbench/brokers"
	"taskbench/worker"
)

// A bound queue is one of our worker's, with what Celery's client publishes to its exchange.
type bound struct {
	kind         brokers.ExchangeKind
	key          string   // the queue's
	hits, misses []string // keys of tasks that reach the queue, and of those that reach none
}

// Real Celery publishes to exchanges that queues of our worker are bound to, and declares them: the exchanges, and on
// Redis kombu's sets of bindings, have to be as Celery's would be.
func TestBindings(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		all := []bound{
			{kind: brokers.Direct, key: "paid", hits: []string{"paid"}, misses: []string{"paid.late", "pai"}},
			{kind: brokers.Topic, key: "sport.#", hits: []string{"sport.ball", "sport.ball.foot"}, misses: []string{"politics", "a.sport.ball"}},
			{kind: brokers.Topic, key: "*.red", hits: []string{"wine.red"}, misses: []string{"wine.white", "wine.redder"}},
		}
		if c.driver.Name == "rabbitmq" { // what is sent to a fanout of Redis waits in no queue, and kombu's * takes several words there
			all[2].misses = append(all[2].misses, "wine.dark.red")
			all = append(all, bound{kind: brokers.Fanout, hits: []string{"one", "another"}})
		}
		config := worker.Config{Name: "bound@" + c.name, Pool: "goroutine", Concurrency: 1, Queues: []string{"bound-" + c.name}}
		exchange := func(i int) string { return fmt.Sprintf("exchange-%d-%s", i, c.name) }
		for i, b := range all {
			config.Bindings = append(config.Bindings, brokers.Binding{
				Exchange: brokers.Exchange{Name: exchange(i), Kind: b.kind, Durable: true}, Key: b.key, Queue: fmt.Sprintf("bound-%d-%s", i, c.name),
			})
		}
		p, err := c.startOurs(config)
		c.with(t, p, err)
		for i, b := range all {
			raw, err := c.python.Do(soon(t), p.queue, `
import kombu
def tell(key):
    return add.apply_async((1, 1), exchange=EXCHANGE, routing_key=key, declare=[kombu.Exchange(EXCHANGE, type=KIND)])
missed = [tell(key) for key in MISSES]
return [[tell(key).get(timeout=60) for key in HITS], [r.state for r in missed]]`,
				map[string]any{"EXCHANGE": exchange(i), "KIND": b.kind, "HITS": b.hits, "MISSES": append([]string{}, b.misses...)})
			if err == nil {
				twos, pending := strings.Repeat(",2", len(b.hits))[1:], strings.Repeat(`,"PENDING"`, len(b.misses))
				err = same(raw, "[["+twos+"],["+strings.TrimPrefix(pending, ",")+"]]")
			}
			judge(t, fmt.Sprintf("bound %s %s", b.kind, b.key), err)
		}
	})
}

// A queue that is bound to a fanout of Redis would get nothing: the worker says so.
func TestFanoutOfRedisIsRefused(t *testing.T) {
	eachCourt(t, func(t *testing.T, c *court) {
		if c.driver.Name != "redis" {
			return
		}
		p, err := c.launchOurs(worker.Config{
			Name: "fanned@" + c.name, Pool: "goroutine", Queues: []string{"fanned-" + c.name},
			Bindings: []brokers.Binding{{Exchange: brokers.Exchange{Name: "fan-" + c.name, Kind: brokers.Fanout, Durable: true}, Queue: "fanned-" + c.name}},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Stop(0)
		judge(t, "fanout of Redis", p.Printed(soon(t), "reaches only who listens; use a direct or topic exchange"))
	})
}
