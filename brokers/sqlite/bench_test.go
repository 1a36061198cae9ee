package sqlite

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"taskbench/brokers"
)

// consumeAll takes and acknowledges n messages, 64 at a time and with as many goroutines.
func consumeAll(b *testing.B, broker brokers.Broker, n int) {
	const prefetch = 64
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	c, err := broker.Consume(ctx, []string{"bench"}, prefetch)
	if err != nil {
		b.Fatal(err)
	}
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range prefetch {
		wg.Go(func() {
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
	wg.Wait()
}

// BenchmarkTwoProcesses publishes in another process while this one consumes.
func BenchmarkTwoProcesses(b *testing.B) {
	for _, v := range leases() {
		b.Run(v.Name, func(b *testing.B) {
			url := Driver.Server.URL(b.TempDir())
			broker := openAt(b, url, v)
			p, err := start(b.Context(), "publish", url, "bench", strconv.Itoa(b.N))
			if err != nil {
				b.Fatal(err)
			}
			told := make(chan struct{})
			go func() {
				defer close(told)
				for p.out.Scan() {
				}
			}()
			b.ResetTimer()
			consumeAll(b, broker, b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
			<-told
			if err := p.cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
