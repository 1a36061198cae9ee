package redis

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"taskbench/brokers"
)

// launch starts a server of the variant from the driver's own command, for as long as the benchmark runs.
func launch(b *testing.B, v brokers.Variant) string {
	b.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip("redis-server is not on PATH: install it to run this benchmark")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	_ = l.Close() // its number is all that was wanted
	c := Driver.Server.Command(brokers.Launch{Variant: v, Dir: b.TempDir(), Host: "127.0.0.1", Port: addr.Port})
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // and Wait tells that it was killed
		_ = cmd.Wait()
	})
	url := Driver.Server.URL(addr.String())
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := Driver.Server.Ready(ctx, url)
		if err == nil {
			return url
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			b.Fatal(err)
		}
	}
}

func connect(b *testing.B, url string, v brokers.Variant) brokers.Broker {
	b.Helper()
	br, err := Driver.Open(b.Context(), url, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := br.Close(); err != nil {
			b.Error(err)
		}
	})
	return br
}

// task is a message of the size that Celery sends for a small task.
func task(queue string, n int) brokers.Message {
	id := fmt.Sprintf("7714853d-338e-4ede-bc80-%012d", n)
	return brokers.Message{
		Queue: queue, Body: []byte(`[[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		Headers: map[string]any{
			"lang": "go", "task": "noop", "id": id, "shadow": nil, "eta": nil, "expires": nil, "group": nil, "group_index": nil,
			"retries": 0, "timelimit": []any{nil, nil}, "root_id": id, "parent_id": nil, "argsrepr": "(2, 3)",
			"kwargsrepr": "{}", "origin": "gen1@bench", "ignore_result": false,
		},
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: id, ReplyTo: id,
	}
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s") }

func publishAll(b *testing.B, br brokers.Broker, queue string, publishers int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for n := int(next.Add(1)); n <= b.N; n = int(next.Add(1)) {
				if err := br.Publish(b.Context(), task(queue, n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func consumeAll(b *testing.B, br brokers.Broker, queue string, prefetch, hands int) {
	c, err := br.Consume(b.Context(), []string{queue}, prefetch)
	if err != nil {
		b.Fatal(err)
	}
	left := atomic.Int64{}
	left.Store(int64(b.N))
	done := make(chan struct{})
	for range hands {
		go func() {
			for d := range c.Deliveries() {
				if err := d.Ack(b.Context()); err != nil {
					b.Error(err)
				}
				if left.Add(-1) == 0 {
					close(done)
				}
			}
		}()
	}
	<-done
}

// BenchmarkPublish has 32 publishers, each waiting for its confirms.
func BenchmarkPublish(b *testing.B) {
	for _, v := range Driver.Variants {
		b.Run(v.Name, func(b *testing.B) {
			br := connect(b, launch(b, v), v)
			b.ResetTimer()
			publishAll(b, br, "celery", 32)
			perSecond(b)
		})
	}
}

// BenchmarkConsume takes and acks a backlog, with 64 deliveries in hand.
func BenchmarkConsume(b *testing.B) {
	for _, v := range Driver.Variants {
		b.Run(v.Name, func(b *testing.B) {
			br := connect(b, launch(b, v), v)
			publishAll(b, br, "celery", 64)
			b.ResetTimer()
			consumeAll(b, br, "celery", 64, 64)
			perSecond(b)
		})
	}
}

// BenchmarkTrickle sends one task each 5 ms to an idle consumer: how long does each wait for its hand-over?
func BenchmarkTrickle(b *testing.B) {
	v := Driver.Variants[0]
	url := launch(b, v)
	br, other := connect(b, url, v), connect(b, url, v)
	c, err := other.Consume(b.Context(), []string{"celery"}, 8)
	if err != nil {
		b.Fatal(err)
	}
	waits := make([]time.Duration, 0, b.N)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range b.N {
		<-tick.C
		if err := br.Publish(b.Context(), task("celery", 1)); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		d := <-c.Deliveries()
		waits = append(waits, time.Since(began))
		if err := d.Ack(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	reportWaits(b, waits)
}

func reportWaits(b *testing.B, waits []time.Duration) {
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds()), "µs-p99")
}
