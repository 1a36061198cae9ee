package load

import (
	"context"
	"fmt"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
)

// SelfBench drives the generator at a constant rate into the in-process engine, with a consumer that takes
// everything away again, and reports how well it kept its due times. It is the generator's own ceiling.
func SelfBench(ctx context.Context, rate float64, span time.Duration) (Report, error) {
	engine := memory.New()
	defer engine.Close()
	sink := engine.Broker()
	defer sink.Close()
	consumer, err := sink.Consume(ctx, []string{brokers.DefaultQueue}, 1000)
	if err != nil {
		return Report{}, fmt.Errorf("consume from the in-process engine: %w", err)
	}
	go func() {
		for d := range consumer.Deliveries() {
			// The only errors are the engine's end, which the range sees too.
			_ = d.Ack(ctx)
		}
	}()
	body := []byte(`[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]`)
	headers := map[string]any{"lang": "go", "task": "bench.noop", "retries": int64(0)}
	return Run(ctx, Plan{
		Due:  Constant(rate, span),
		Open: func(context.Context) (brokers.Broker, error) { return engine.Broker(), nil },
		Message: func(uint64) brokers.Message {
			return brokers.Message{
				Queue: brokers.DefaultQueue, Headers: headers, Body: body,
				ContentType: "application/json", ContentEncoding: "utf-8",
			}
		},
	})
}
