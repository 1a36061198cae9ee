package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

// batch is how many messages the bare loop claims at once, and how many deliveries the broker has in hand.
const batch = 64

func letters(n int) []brokers.Message {
	ms := make([]brokers.Message, n)
	for i := range ms {
		id := fmt.Sprintf("7714853d-338e-4ede-bc80-%012d", i)
		ms[i] = brokers.Message{
			Queue: "q", CorrelationID: id, ContentType: "application/json", ContentEncoding: "utf-8",
			Headers: map[string]any{"lang": "py", "task": "noop", "id": id, "retries": 0, "eta": nil},
			Body:    []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
		}
	}
	return ms
}

func fill(b *testing.B, broker brokers.Broker) {
	b.Helper()
	for _, err := range broker.(brokers.Batcher).PublishBatch(b.Context(), letters(b.N)) {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConsume is claiming and acknowledging a backlog: by the broker, one ack for each of 64 hands, and by a bare
// loop over one connection that claims 64 messages by the same statement and deletes them all by one.
func BenchmarkConsume(b *testing.B) {
	server := servertest.Launch(b, Driver)
	lease := Driver.Variants[0]
	b.Run("bare", func(b *testing.B) {
		broker := openAt(b, server.URL, lease)
		fill(b, broker)
		conn, err := pgx.ConnectConfig(b.Context(), broker.cfg)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close(context.Background())
		var owner int64
		if err := conn.QueryRow(b.Context(), leaseLayout.register, "bare", 3_600_000).Scan(&owner); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for done := 0; done < b.N; {
			rows, err := conn.Query(b.Context(), leaseLayout.claim, owner, []string{"q"}, []int32{batch}, batch)
			if err != nil {
				b.Fatal(err)
			}
			var ids []int64
			var r row
			if _, err := pgx.ForEachRow(rows, []any{&r.id, &r.queue, &r.priority, &r.handed, &r.payload}, func() error {
				ids = append(ids, r.id)
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			if _, err := conn.Exec(b.Context(), leaseLayout.ack, owner, ids); err != nil {
				b.Fatal(err)
			}
			done += len(ids)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
	})
	for _, v := range Driver.Variants {
		b.Run(v.Name, func(b *testing.B) {
			broker := openAt(b, server.URL, v)
			fill(b, broker)
			b.ResetTimer()
			drain(b, broker)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

func drain(b *testing.B, broker brokers.Broker) {
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
	if n := left.Load(); n > 0 {
		b.Fatalf("deliveries ended with %d to come: %v", n, c.Err())
	}
}
