package memory

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"taskbench/brokers"
)

func task() brokers.Message {
	return brokers.Message{
		Queue:       "bench",
		Headers:     map[string]any{"lang": "py", "task": "noop", "id": "4cb2dfc8-2f1d-4e0a-9d0a-5a9d8a2b6b11", "retries": 0, "eta": nil},
		Body:        []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		ContentType: "application/json", ContentEncoding: "utf-8", CorrelationID: "4cb2dfc8-2f1d-4e0a-9d0a-5a9d8a2b6b11",
	}
}

// serve starts a server for an engine of its own and returns its URL.
func serve(t testing.TB) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, New())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, "memory://" + s.Addr()
}

func openAt(t testing.TB, url string) brokers.Broker {
	t.Helper()
	b, err := Driver.Open(t.Context(), url, Driver.Variants[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func benchPublish(b *testing.B, broker brokers.Broker, publishers int) {
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ResetTimer()
	var wg sync.WaitGroup
	for range publishers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := broker.Publish(b.Context(), task()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

// benchWhole publishes, consumes and acknowledges b.N messages at the same time.
func benchWhole(b *testing.B, from, to brokers.Broker, publishers, ackers int) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	c, err := to.Consume(ctx, []string{"bench"}, 512)
	if err != nil {
		b.Fatal(err)
	}
	var done sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	for range ackers {
		done.Go(func() {
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
	benchPublish(b, from, publishers)
	done.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
}

func BenchmarkPublishInProcess(b *testing.B) {
	benchPublish(b, New().Broker(), 16)
}

func BenchmarkWholeInProcess(b *testing.B) {
	e := New()
	benchWhole(b, e.Broker(), e.Broker(), 16, 16)
}

func BenchmarkWholeLoopback(b *testing.B) {
	_, url := serve(b)
	benchWhole(b, openAt(b, url), openAt(b, url), 64, 64)
}
