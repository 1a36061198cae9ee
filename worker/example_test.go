package worker_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"taskbench/brokers"
	"taskbench/brokers/memory"
	"taskbench/worker"
	"taskbench/worker/canvas"
	"taskbench/worker/client"
	"taskbench/worker/result"
	results "taskbench/worker/result/memory"
)

// A worker, a client and a workflow. With brokers/redis or brokers/rabbitmq in place of the broker in memory, and
// result/redis in place of the results, Celery's own clients and workers can take either part.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	server, err := memory.Driver.Server.Embedded(ctx, brokers.Launch{Host: "127.0.0.1", Port: 0})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	url := memory.Driver.Server.URL(server.(interface{ Addr() string }).Addr())
	backend := results.New(result.Options{})

	var tasks worker.Registry
	tasks.Add("math.add", func(_ context.Context, r *worker.Request) (any, error) {
		var a, b int
		if err := r.Arg(0, &a); err != nil {
			return nil, err
		}
		if err := r.Arg(1, &b); err != nil {
			return nil, err
		}
		return a + b, nil
	}, worker.RateLimit("100/s"))
	w, err := worker.New(worker.Config{URL: url, Pool: "goroutine"}, worker.Options{
		Registry: &tasks, Driver: memory.Driver, Results: backend, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		panic(err)
	}
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()

	broker, err := memory.Driver.Open(ctx, url, memory.Driver.Variants[0])
	if err != nil {
		panic(err)
	}
	defer broker.Close()
	c := client.New(broker, client.WithResults(backend))
	sent, err := c.Delay(ctx, "math.add", 2, 3)
	if err != nil {
		panic(err)
	}
	var sum int
	if err := sent.Get(ctx, &sum); err != nil {
		panic(err)
	}
	fmt.Println("2 + 3 is", sum)

	flow := canvas.Follower{Publisher: broker, Results: backend}
	id, _, err := flow.Start(ctx, canvas.Chain(canvas.Sig("math.add", 1, 2), canvas.Sig("math.add", 10)))
	if err != nil {
		panic(err)
	}
	if err := c.Result(id).Get(ctx, &sum); err != nil {
		panic(err)
	}
	fmt.Println("10 + (1 + 2) is", sum)

	stop()
	fmt.Println("stopped warmly:", <-ended == nil)
	// Output:
	// 2 + 3 is 5
	// 10 + (1 + 2) is 13
	// stopped warmly: true
}
