package brokertest_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/all"
)

const benchQueue = "celery"

// eachVariant runs a benchmark for every variant of every broker, with a server of its own. Open connects to that.
func eachVariant(b *testing.B, bench func(b *testing.B, open func() brokers.Broker)) {
	for _, d := range all.Drivers() {
		for _, v := range d.Variants {
			b.Run(d.Name+":"+v.Name, func(b *testing.B) {
				url := launch(b, d, v)
				bench(b, func() brokers.Broker { return connect(b, d, v, url) })
			})
		}
	}
}

// launch starts a server from the driver's own description, for as long as the benchmark runs, and returns its URL.
func launch(b *testing.B, d brokers.Driver, v brokers.Variant) string {
	b.Helper()
	l := brokers.Launch{Variant: v, Dir: b.TempDir(), Host: "127.0.0.1"}
	if d.Server.Library {
		return d.Server.URL(l.Dir)
	}
	listener, err := net.Listen("tcp", l.Host+":0")
	if err != nil {
		b.Fatal(err)
	}
	addr := listener.Addr().(*net.TCPAddr)
	_ = listener.Close() // its number is all that was wanted
	l.Port = addr.Port
	if d.Server.Embedded == nil {
		startProcess(b, d.Server, l)
	} else {
		server, err := d.Server.Embedded(b.Context(), l)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := server.Close(); err != nil {
				b.Error(err)
			}
		})
	}
	url := d.Server.URL(addr.String())
	awaitReady(b, d.Server, url)
	return url
}

func startProcess(b *testing.B, s brokers.ServerSpec, l brokers.Launch) {
	b.Helper()
	for _, name := range s.Binaries {
		found := slices.ContainsFunc(strings.Split(name, "|"), func(one string) bool {
			_, err := exec.LookPath(one)
			return err == nil
		})
		if !found {
			b.Skipf("%s is not on PATH: install it to run this benchmark", name)
		}
	}
	c := s.Command(l)
	for name, text := range c.Files {
		if err := os.WriteFile(filepath.Join(l.Dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what the server starts, like epmd, is in its group
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // and Wait tells that it was killed
		_ = cmd.Wait()
	})
}

func awaitReady(b *testing.B, s brokers.ServerSpec, url string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := s.Ready(ctx, url)
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			b.Fatal(err)
		}
	}
}

func connect(b *testing.B, d brokers.Driver, v brokers.Variant, url string) brokers.Broker {
	b.Helper()
	broker, err := d.Open(b.Context(), url, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := broker.Close(); err != nil {
			b.Error(err)
		}
	})
	return broker
}

// task is a message of the size that Celery sends for a small task.
func task(n int) brokers.Message {
	id := fmt.Sprintf("7714853d-338e-4ede-bc80-%012d", n)
	return brokers.Message{
		Queue: benchQueue, Body: []byte(`[[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		Headers: map[string]any{
			"lang": "go", "task": "noop", "id": id, "shadow": nil, "eta": nil, "expires": nil, "group": nil, "group_index": nil,
			"retries": 0, "timelimit": []any{nil, nil}, "root_id": id, "parent_id": nil, "argsrepr": "(2, 3)",
			"kwargsrepr": "{}", "origin": "gen1@bench", "ignore_result": false,
		},
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: id, ReplyTo: id,
	}
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s") }

func publishTasks(b *testing.B, broker brokers.Broker, publishers int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= b.N; n = int(next.Add(1)) {
				if err := broker.Publish(b.Context(), task(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// consumeTasks takes and acknowledges b.N tasks, with as many hands as it may hold deliveries.
func consumeTasks(b *testing.B, broker brokers.Broker, prefetch int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	c, err := broker.Consume(ctx, []string{benchQueue}, prefetch)
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	var hands sync.WaitGroup
	for range prefetch {
		hands.Go(func() {
			for d := range c.Deliveries() {
				if err := d.Ack(b.Context()); err != nil {
					b.Error(err)
				}
				if left.Add(-1) <= 0 {
					cancel()
				}
			}
		})
	}
	hands.Wait()
	if n := left.Load(); n > 0 {
		b.Fatalf("deliveries ended with %d of %d tasks to come: %v", n, b.N, c.Err())
	}
}

// BenchmarkPublish has 32 publishers, each waiting for its confirms.
func BenchmarkPublish(b *testing.B) {
	eachVariant(b, func(b *testing.B, open func() brokers.Broker) {
		broker := open()
		b.ResetTimer()
		publishTasks(b, broker, 32)
		perSecond(b)
	})
}

// BenchmarkConsume takes and acks a backlog, with 64 deliveries in hand.
func BenchmarkConsume(b *testing.B) {
	eachVariant(b, func(b *testing.B, open func() brokers.Broker) {
		broker := open()
		publishTasks(b, broker, 64)
		b.ResetTimer()
		consumeTasks(b, broker, 64)
		perSecond(b)
	})
}

// BenchmarkTrickle sends one task each 5 ms to an idle consumer: how long does each wait for its hand-over once its
// publish has returned?
func BenchmarkTrickle(b *testing.B) {
	eachVariant(b, func(b *testing.B, open func() brokers.Broker) {
		from, to := open(), open()
		c, err := to.Consume(b.Context(), []string{benchQueue}, 8)
		if err != nil {
			b.Fatal(err)
		}
		waits := make([]time.Duration, 0, b.N)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for range b.N {
			<-tick.C
			if err := from.Publish(b.Context(), task(1)); err != nil {
				b.Fatal(err)
			}
			began := time.Now()
			d, ok := <-c.Deliveries()
			if !ok {
				b.Fatalf("deliveries are closed: %v", c.Err())
			}
			waits = append(waits, time.Since(began))
			if err := d.Ack(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		slices.Sort(waits)
		b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "µs-p50")
		b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "µs-p99")
	})
}
