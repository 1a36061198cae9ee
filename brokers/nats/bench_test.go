package nats

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// hands is how many deliveries are in hand at a time, on both sides of the comparison.
const hands = 64

func letter(n int) brokers.Message {
	id := fmt.Sprintf("7714853d-338e-4ede-bc80-%012d", n)
	return brokers.Message{
		Queue: "q", CorrelationID: id, ContentType: "application/json", ContentEncoding: "utf-8",
		Headers: map[string]any{"lang": "py", "task": "noop", "id": id, "retries": 0, "eta": nil},
		Body:    []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`),
	}
}

// together calls f for each number below n, by so many hands.
func together(b *testing.B, n int, f func(n int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range hands {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func perSecond(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s") }

// BenchmarkPublish is 64 publishers that wait for their confirms: ours, and those of the server's own library.
func BenchmarkPublish(b *testing.B) {
	for _, v := range Driver.Variants {
		b.Run(v.Name+"/bare", func(b *testing.B) {
			js, s := bare(b, v)
			b.ResetTimer()
			together(b, b.N, func(n int) error {
				data, err := envelope.Append(nil, letter(n))
				if err == nil {
					_, err = js.Publish(b.Context(), s.subject, data)
				}
				return err
			})
			perSecond(b)
		})
		b.Run(v.Name+"/broker", func(b *testing.B) {
			broker := openAt(b, launch(b, v, plain).url, v)
			b.ResetTimer()
			together(b, b.N, func(n int) error { return broker.Publish(b.Context(), letter(n)) })
			perSecond(b)
		})
	}
}

// BenchmarkConsume takes a backlog, and waits for the server's answer to each of the acks.
func BenchmarkConsume(b *testing.B) {
	for _, v := range Driver.Variants {
		b.Run(v.Name+"/bare", func(b *testing.B) {
			js, s := bare(b, v)
			together(b, b.N, func(n int) error {
				data, err := envelope.Append(nil, letter(n))
				if err == nil {
					_, err = js.Publish(b.Context(), s.subject, data)
				}
				return err
			})
			c, err := js.CreateConsumer(b.Context(), s.name, jetstream.ConsumerConfig{Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: -1})
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			all, err := c.Messages(jetstream.PullMaxMessages(hands))
			if err != nil {
				b.Fatal(err)
			}
			defer all.Stop()
			together(b, b.N, func(int) error {
				m, err := all.Next()
				if err != nil {
					return err
				}
				if got := unpack("q", m.Data()); got.CorrelationID == "" {
					return fmt.Errorf("got %+v", got)
				}
				return m.DoubleAck(b.Context())
			})
			perSecond(b)
		})
		b.Run(v.Name+"/broker", func(b *testing.B) {
			broker := openAt(b, launch(b, v, plain).url, v)
			together(b, b.N, func(n int) error { return broker.Publish(b.Context(), letter(n)) })
			b.ResetTimer()
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			c, err := broker.Consume(ctx, []string{"q"}, hands)
			if err != nil {
				b.Fatal(err)
			}
			together(b, b.N, func(int) error {
				d, open := <-c.Deliveries()
				if !open {
					return c.Err()
				}
				return d.Ack(b.Context())
			})
			perSecond(b)
		})
	}
}

// bare is a client of somebody else's, and a queue that is made as ours are.
func bare(b *testing.B, v brokers.Variant) (jetstream.JetStream, stream) {
	b.Helper()
	url := launch(b, v, plain).url
	js := stranger(b, url)
	set, err := configure(url, v)
	if err != nil {
		b.Fatal(err)
	}
	s := queueOf("q")
	if _, err := js.CreateStream(b.Context(), s.config(set.storage)); err != nil {
		b.Fatal(err)
	}
	return js, s
}
