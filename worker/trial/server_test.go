package trial_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/brokers/rabbitmq"
	"taskbench/brokers/redis"
	"taskbench/brokers/servertest"
	"taskbench/worker/interop"
	"taskbench/worker/message"
	"taskbench/worker/result"
	resultsMemory "taskbench/worker/result/memory"
	resultsRedis "taskbench/worker/result/redis"
)

// A server is a broker's that runs for all tests. Each test has queues of its own in it.
type server struct {
	driver  brokers.Driver
	variant brokers.Variant
	url     string
}

func (s server) name() string { return s.driver.Name }

// shared are the servers, each started when it is first needed.
var shared = pool{started: map[string]server{}}

type pool struct {
	mu      sync.Mutex
	started map[string]server
	ends    []func()
}

func (p *pool) close() {
	for _, end := range p.ends {
		end()
	}
}

// servers are those of the lab: real ones, or the embedded one.
func servers(t testing.TB) []server {
	t.Helper()
	if !servertest.Serves() {
		return []server{shared.get(t, memory.Driver)}
	}
	return []server{shared.get(t, redis.Driver), shared.get(t, rabbitmq.Driver)}
}

// swift is the quickest server of the lab.
func swift(t testing.TB) server {
	t.Helper()
	if !servertest.Serves() {
		return shared.get(t, memory.Driver)
	}
	return shared.get(t, redis.Driver)
}

func (p *pool) get(t testing.TB, d brokers.Driver) server {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s, ok := p.started[d.Name]; ok {
		return s
	}
	s := server{driver: d, variant: d.Variants[0]}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if d.Server.Embedded != nil {
		port := servertest.FreePort(t)
		e, err := d.Server.Embedded(ctx, brokers.Launch{Host: "127.0.0.1", Port: port})
		if err != nil {
			t.Fatal(err)
		}
		p.ends = append(p.ends, func() { _ = e.Close() }) // the process ends
		s.url = d.Server.URL(fmt.Sprintf("127.0.0.1:%d", port))
	} else {
		dir, err := os.MkdirTemp("", "taskbench-trial-")
		if err != nil {
			t.Fatal(err)
		}
		p.ends = append(p.ends, func() { _ = os.RemoveAll(dir) })
		e, err := interop.Serve(ctx, d, s.variant, dir)
		if lab := os.Getenv("BENCH_LAB"); errors.Is(err, interop.ErrNoServer) && (lab == "" || lab == "auto") {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		p.ends = append([]func(){e.Close}, p.ends...)
		s.url = e.URL
	}
	p.started[d.Name] = s
	return s
}

// open connects to the server, for as long as the test lasts.
func (s server) open(t testing.TB) brokers.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// results opens a backend: in Redis, or in this process where there is none.
func results(t testing.TB) result.Backend {
	t.Helper()
	if !servertest.Serves() {
		return resultsMemory.New(result.Options{})
	}
	return resultsAt(t, shared.get(t, redis.Driver).url)
}

func resultsAt(t testing.TB, url string) result.Backend {
	t.Helper()
	b, err := resultsRedis.Open(context.Background(), url, result.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// queueOf names the queue of a test.
func queueOf(t testing.TB) string {
	return strings.NewReplacer("/", ".", " ", "-", ",", "").Replace(t.Name())
}

// leftIn is what a queue holds, ready or handed out; where the server does not count the latter, without them.
func leftIn(t testing.TB, b brokers.Broker, queue string) int {
	t.Helper()
	ready, unacked, err := b.(brokers.Inspector).Depth(context.Background(), queue)
	if err != nil {
		t.Fatal(err)
	}
	return ready + max(unacked, 0)
}

func publish(t testing.TB, b brokers.Broker, ms ...brokers.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, m := range ms {
		if err := b.Publish(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
}

// task makes a message.
func task(queue, name, id string, args []any, kwargs map[string]any) brokers.Message {
	m, err := message.New(name, id, args, kwargs, message.Options{Queue: queue})
	if err != nil {
		panic(err)
	}
	return m
}

func tempFile(t testing.TB) string { return filepath.Join(t.TempDir(), "notes") }
