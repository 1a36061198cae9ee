package worker

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"taskbench/brokers"
	memorybroker "taskbench/brokers/memory"
)

// ledgerlike is an observer that costs what writing evidence down costs: a slot and 32 bytes of shared memory.
type ledgerlike struct {
	next  atomic.Uint64
	slots [1 << 16]Event
	done  atomic.Int64
	all   chan struct{}
	want  int64
}

func (l *ledgerlike) Observe(e Event) {
	l.slots[l.next.Add(1)%uint64(len(l.slots))] = e
	if e.Kind == Acked && l.done.Add(1) == l.want {
		close(l.all)
	}
}

const benchPublishers = 8

// publish sends n tasks from many goroutines at once.
func publish(b *testing.B, to brokers.Broker, n int) {
	m := task("noop", "4cb2dfc8-2f1d-4e0a-9d0a-5a9d8a2b6b11")
	var left atomic.Int64
	left.Store(int64(n))
	var publishers sync.WaitGroup
	for range benchPublishers {
		publishers.Go(func() {
			for left.Add(-1) >= 0 {
				if err := to.Publish(b.Context(), m); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	publishers.Wait()
}

// BenchmarkEndToEnd publishes, consumes and acknowledges over loopback. The bare client does nothing in between; the
// pools run a task that does nothing, with an observer on.
func BenchmarkEndToEnd(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		connect := loopback(b)
		broker := connect(b.Context())
		c, err := broker.Consume(b.Context(), []string{brokers.DefaultQueue}, 64)
		if err != nil {
			b.Fatal(err)
		}
		var left atomic.Int64
		left.Store(int64(b.N))
		b.ResetTimer()
		var ackers sync.WaitGroup
		for range 64 {
			ackers.Go(func() {
				for left.Add(-1) >= 0 {
					if err := (<-c.Deliveries()).Ack(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
		}
		publish(b, connect(b.Context()), b.N)
		ackers.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
	})
	for _, pool := range Pools() {
		for _, acks := range []AckPolicy{Late, Early} {
			b.Run(pool+"/"+string(acks), func(b *testing.B) {
				connect := loopback(b)
				driver := memorybroker.Driver
				driver.Open = func(ctx context.Context, _ string, _ brokers.Variant) (brokers.Broker, error) {
					return connect(ctx), nil
				}
				o := &ledgerlike{all: make(chan struct{}), want: int64(b.N)}
				c := Config{Pool: pool, Concurrency: 8, Prefetch: 64, Acks: acks}
				if pool == "solo" {
					c.Concurrency = 1
				}
				ready := make(chan struct{})
				w, err := New(c, Options{
					Registry: testRegistry(), Driver: driver, Observer: o, Log: slog.New(slog.DiscardHandler), Ready: func() { close(ready) },
				})
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(b.Context())
				ended := make(chan error, 1)
				go func() { ended <- w.Run(ctx) }()
				<-ready
				publisher := connect(b.Context())
				b.ResetTimer()
				publish(b, publisher, b.N)
				<-o.all
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tasks/s")
				b.StopTimer()
				cancel()
				if err := <-ended; err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// loopback starts a memory broker's server and returns how to connect to it.
func loopback(b *testing.B) func(context.Context) brokers.Broker {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	engine := memorybroker.New()
	server := memorybroker.Serve(l, engine)
	b.Cleanup(func() { server.Close() })
	return func(ctx context.Context) brokers.Broker {
		broker, err := memorybroker.Driver.Open(ctx, memorybroker.Driver.Server.URL(server.Addr()), memorybroker.Driver.Variants[0])
		if err != nil {
			b.Fatal(err)
		}
		return broker
	}
}
