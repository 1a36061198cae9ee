package stream_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis"
	"taskbench/brokers/redis/stream"
	"taskbench/brokers/servertest"
)

// batch is how many messages the bare loop claims at once, and how many deliveries the broker has in hand.
const batch = 64

// fill publishes as many tasks as the benchmark takes, of the size that Celery sends for a small one.
func fill(b *testing.B, broker brokers.Broker) {
	b.Helper()
	ms := make([]brokers.Message, b.N)
	for i := range ms {
		id := fmt.Sprintf("7714853d-338e-4ede-bc80-%012d", i)
		ms[i] = brokers.Message{
			Queue: "q", CorrelationID: id, ContentType: "application/json", ContentEncoding: "utf-8",
			Headers: map[string]any{"lang": "py", "task": "noop", "id": id, "retries": 0, "eta": nil},
			Body:    []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		}
	}
	for _, err := range broker.(brokers.Batcher).PublishBatch(b.Context(), ms) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConsume is claiming and acknowledging a backlog at the variant's durability: by the broker, one ack for each of
// 64 hands, and by a bare loop over one connection that reads 64 entries and then acknowledges and deletes them all.
func BenchmarkConsume(b *testing.B) {
	server := servertest.Launch(b, redis.Driver, "--appendonly", "yes", "--appendfsync", "always")
	open := func(b *testing.B) brokers.Broker {
		broker, err := stream.Open(b.Context(), server.URL, brokers.Variant{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = broker.Close() })
		return broker
	}
	b.Run("bare", func(b *testing.B) {
		fill(b, open(b))
		o, err := goredis.ParseURL(server.URL)
		if err != nil {
			b.Fatal(err)
		}
		rdb := goredis.NewClient(o)
		defer func() { _ = rdb.Close() }()
		const key = "taskbench:stream:q:0"
		_ = rdb.XGroupCreate(b.Context(), key, "taskbench", "0").Err() // it may be there
		b.ResetTimer()
		for done := 0; done < b.N; {
			got, err := rdb.XReadGroup(b.Context(), &goredis.XReadGroupArgs{Group: "taskbench", Consumer: "bare", Streams: []string{key, ">"}, Count: batch}).Result()
			if err != nil {
				b.Fatal(err)
			}
			var ids []string
			for _, m := range got[0].Messages {
				ids = append(ids, m.ID)
			}
			_, err = rdb.Pipelined(b.Context(), func(p goredis.Pipeliner) error {
				p.XAck(b.Context(), key, "taskbench", ids...)
				p.XDel(b.Context(), key, ids...)
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			done += len(ids)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
	b.Run("broker", func(b *testing.B) {
		broker := open(b)
		fill(b, broker)
		b.ResetTimer()
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		c, err := broker.Consume(ctx, []string{"q"}, batch)
		if err != nil {
			b.Fatal(err)
		}
		var left atomic.Int64
		left.Store(int64(b.N))
		var hands sync.WaitGroup
		for range batch {
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
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
}
