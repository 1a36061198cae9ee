package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/harness"
	"taskbench/harness/lab/engine"
	"taskbench/harness/lab/engine/enginetest"
	"taskbench/harness/lab/port"
	"taskbench/harness/ledger"
	"taskbench/harness/tasks"
	"taskbench/worker/message"
)

// A stranger is a message that no run of ours has sent.
type stranger struct {
	what string
	msg  brokers.Message
	runs bool // a worker can run it; else it must be kept aside
}

// strangers are what other clients, other versions and accidents may leave in a queue.
func strangers(t *testing.T) []stranger {
	t.Helper()
	other := ledger.NewRun(rand.NewPCG(1, 2))
	task := func(seq uint64, change func(*brokers.Message)) brokers.Message {
		m, err := message.New(tasks.Prefix+"noop", other.ID(seq), nil, nil, message.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&m)
		}
		return m
	}
	v1 := `{"task": "bench.noop", "id": "3c1b8a52-6d6f-4c0e-9a62-5f7b1f1f0001", "args": [], "kwargs": {}, "retries": 0, "utc": true}`
	return []stranger{
		{"a task of another run", task(1, nil), true},
		{"a task with a huge header", task(2, func(m *brokers.Message) { m.Headers["baggage"] = strings.Repeat("x", 1<<20) }), true},
		{"a task of another client, protocol 1", brokers.Message{Body: []byte(v1), ContentType: "application/json", ContentEncoding: "utf-8"}, true},
		{"raw garbage", brokers.Message{Body: []byte("\x00\xff\xfe{{{"), ContentType: "application/json", ContentEncoding: "utf-8"}, false},
		{"nothing at all", brokers.Message{}, false},
		{"a pickle", task(3, func(m *brokers.Message) {
			m.Body, m.ContentType, m.ContentEncoding = []byte("\x80\x04)}}\x87."), "application/x-python-serialize", "binary"
		}), false},
		{"an unknown task", task(4, func(m *brokers.Message) { m.Headers["task"] = "shop.charge" }), false},
		{"half a body", task(5, func(m *brokers.Message) { m.Body = m.Body[:len(m.Body)/2] }), false},
		{"no id", task(6, func(m *brokers.Message) { delete(m.Headers, "id") }), false},
		{"headers of the wrong types", task(7, func(m *brokers.Message) { m.Headers["task"], m.Headers["eta"] = int64(7), true }), false},
		{"JSON that is no task", brokers.Message{Body: []byte(`{"event": "order.placed"}`), ContentType: "application/json"}, false},
	}
}

// embedded starts a broker in this process, which lasts as long as the test, and connects to it.
func embedded(t *testing.T) (url string, b brokers.Broker) {
	t.Helper()
	at, err := port.Free()
	if err != nil {
		t.Fatal(err)
	}
	server, err := memory.Driver.Server.Embedded(t.Context(), brokers.Launch{Host: "127.0.0.1", Port: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	url = memory.Driver.Server.URL(fmt.Sprintf("127.0.0.1:%d", at))
	b, err = memory.Driver.Open(t.Context(), url, memory.Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return url, b
}

// Messages that are not the run's own do not disturb it: what can be run is run, what cannot is kept aside, all of
// it is counted, and the workers go on.
func TestStrangersInTheQueue(t *testing.T) {
	for _, pool := range []string{"prefork", "goroutine"} {
		t.Run(pool, func(t *testing.T) {
			t.Parallel()
			url, b := embedded(t)
			s := newSite(t)
			p := s.start(t, "run", scene(t, "40/s", "3s", "5ms", ""), "--lab", "external", "--brokers", "memory", "--url", "memory="+url,
				"--pools", pool, "--seed", "3", "--out", s.out)
			p.says(t, ": steady", patience)
			all, aside := strangers(t), 0
			for _, x := range all {
				x.msg.Queue = brokers.DefaultQueue
				if err := b.Publish(t.Context(), x.msg); err != nil {
					t.Fatalf("publish %s: %v", x.what, err)
				}
				if !x.runs {
					aside++
				}
			}
			undisturbed(t, p, s, len(all), aside)

			kept := keptAside(t, b)
			for _, x := range all {
				if x.runs {
					continue
				}
				if kept[string(x.msg.Body)]--; kept[string(x.msg.Body)] < 0 {
					t.Errorf("%s is not among what is kept aside", x.what)
				}
			}
			for body, n := range kept {
				if n > 0 {
					t.Errorf("%q is kept aside too, %d times", body, n)
				}
			}
		})
	}
}

// undisturbed judges a run into whose queue strangers were put.
func undisturbed(t *testing.T, p *process, s *site, foreign, aside int) {
	t.Helper()
	code := p.code(t, patience)
	c := resultIn(t, s.out).Cells[0]
	// A machine that is too busy to offer the load makes a run void, whatever was in the queue.
	if code != outcomeCode(c.Outcome) || c.Outcome != harness.Pass && c.Outcome != harness.Void {
		t.Errorf("exit code %d, the cell is %s: %q\n%s", code, c.Outcome, c.Warnings, p.talk())
	}
	n := c.Counts
	if n.Foreign != foreign || n.Malformed != aside {
		t.Errorf("%d foreign messages and %d malformed ones were counted, want %d and %d", n.Foreign, n.Malformed, foreign, aside)
	}
	if n.Executed != n.Attempted || n.Attempted == 0 || n.Lost+n.Duplicated+n.Unexpected+n.Stuck+n.Failed != 0 {
		t.Errorf("the run's own tasks: %+v", n)
	}
	wants(t, strings.Join(c.Warnings, "\n"), fmt.Sprintf("%d messages of others", foreign))
	s.tidy(t)
}

// keptAside takes the messages out of the dead letter queue, and returns how often it held each body.
func keptAside(t *testing.T, b brokers.Broker) map[string]int {
	t.Helper()
	queue := brokers.DeadLetterQueue(brokers.DefaultQueue)
	ready, _, err := b.(brokers.Inspector).Depth(t.Context(), queue)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	c, err := b.Consume(ctx, []string{queue}, 0)
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]int{}
	for range ready {
		d, ok := <-c.Deliveries()
		if !ok {
			t.Fatalf("the dead letter queue ended: %v", c.Err())
		}
		bodies[string(d.Message().Body)]++
		if err := d.Ack(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return bodies
}

// The same on a real server, with elements of the list that no client of any task queue has written.
func TestStrangersInRedis(t *testing.T) {
	enginetest.Needed(t)
	t.Parallel()
	s := newSite(t)
	p := s.start(t, "run", scene(t, "40/s", "4s", "5ms", ""), "--lab", "docker", "--brokers", "redis:memory", "--seed", "3", "--out", s.out)
	p.says(t, ": steady", patience)
	r := goredis.NewClient(&goredis.Options{Addr: s.published(t)})
	defer func() { _ = r.Close() }()
	v1 := `{"body": "eyJ0YXNrIjogImJlbmNoLm5vb3AiLCAiaWQiOiAieCIsICJhcmdzIjogW10sICJrd2FyZ3MiOiB7fX0=", "content-type": "application/json",` +
		` "content-encoding": "utf-8", "headers": {}, "properties": {"body_encoding": "base64", "delivery_info": {}, "delivery_tag": "t1"}}`
	garbage := []any{"garbage", "\x00\xff", "", "[]", "{}", `{"body": 7}`}
	if err := r.LPush(t.Context(), brokers.DefaultQueue, append(garbage, v1)...).Err(); err != nil {
		t.Fatal(err)
	}
	dead := brokers.DeadLetterQueue(brokers.DefaultQueue)
	until(t, "all of the garbage is kept aside", patience, func() bool {
		return r.LLen(t.Context(), dead).Val() == int64(len(garbage))
	})
	undisturbed(t, p, s, len(garbage)+1, len(garbage))
}

// published is where the site's one container is reached.
func (s *site) published(t *testing.T) string {
	t.Helper()
	c, err := engine.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	list, err := c.ContainerList(t.Context(), client.ContainerListOptions{
		Filters: client.Filters{}.Add("label", fmt.Sprintf("taskbench.owner.pid=%d", s.benches[0])),
	})
	if err != nil || len(list.Items) != 1 || len(list.Items[0].Ports) == 0 {
		t.Fatalf("find the container: %v, %+v", err, list.Items)
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(list.Items[0].Ports[0].PublicPort))
}
