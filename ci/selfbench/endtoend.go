package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
	"taskbench/harness/ledger"
)

// Both sides of the comparison publish and consume in the same way.
const (
	publishers  = 32
	connections = 2
	concurrency = 16
	prefetch    = 64
)

// A slow server gets as many messages as take it about so long, and no fewer than the fewest.
const (
	long   = 8 * time.Second
	fewest = 500
)

// pools are those that are measured on a broker.
func pools(broker string) []string {
	switch broker {
	case "redis", "rabbitmq":
		return []string{"goroutine", "prefork"}
	}
	return []string{"goroutine"}
}

// aim is what part of the bare client's rate a worker should reach; 0: none is asked for.
func aim(broker, pool string) float64 {
	switch broker {
	case "memory":
		return 0 // it shows what the ledger costs where a broker costs nothing
	case "redis", "rabbitmq":
		if pool == "prefork" {
			return 0.5
		}
		return 0.8
	}
	return 0.7
}

// endToEnd compares, on each broker, workers that keep a ledger with a client that does nothing at all.
func endToEnd(ctx context.Context, s settings) ([]line, error) {
	var lines []line
	var errs []error
	for _, name := range s.brokers {
		found, err := on(ctx, name, func(at site) ([]line, error) { return at.besideBare(ctx, s.messages) })
		lines = append(lines, found...)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return lines, errors.Join(errs...)
}

// besideBare has the bare client and a worker of each pool run in turns, with at most so many messages each time.
func (s site) besideBare(ctx context.Context, most int) ([]line, error) {
	messages, err := s.enough(ctx, most) // which also warms up
	if err != nil {
		return nil, fmt.Errorf("bare client: %w", err)
	}
	measured := pools(s.driver.Name)
	// They take turns, so that a drift of the machine meets all.
	var bare float64
	workers := make([]float64, len(measured))
	for range 2 {
		b, err := s.bare(ctx, messages)
		if err != nil {
			return nil, fmt.Errorf("bare client: %w", err)
		}
		bare = max(bare, b)
		for i, pool := range measured {
			w, err := s.through(ctx, pool, messages)
			if err != nil {
				return nil, fmt.Errorf("worker, %s: %w", pool, err)
			}
			workers[i] = max(workers[i], w)
		}
	}
	lines := []line{{s.name() + " bare client", fmt.Sprintf("%.0f/s", bare), "", true}}
	for i, pool := range measured {
		lines = append(lines, line{s.name() + " worker, " + pool, fmt.Sprintf("%.0f/s", workers[i]), "", true},
			against(s.name(), s.driver.Name, pool, workers[i]/bare))
	}
	return lines, nil
}

// enough is how many messages take the bare client about as long as a measurement should. Their number grows in steps,
// since some servers are the slower the more there waits.
func (s site) enough(ctx context.Context, most int) (int, error) {
	messages := min(most, fewest)
	for {
		rate, err := s.bare(ctx, messages)
		if err != nil {
			return 0, err
		}
		fitting := max(fewest, int(rate*long.Seconds()))
		if messages == most || fitting <= 2*messages {
			return min(most, messages, fitting), nil
		}
		messages = min(most, fitting, 4*messages)
	}
}

// against is the line that holds a worker's rate against the bare client's.
func against(name, broker, pool string, ratio float64) line {
	l := line{name + " ratio, " + pool, fmt.Sprintf("%.2f", ratio), "", true}
	if least := aim(broker, pool); least > 0 {
		l.goal, l.met = fmt.Sprintf("at least %.1f", least), ratio >= least
	}
	return l
}

// bare publishes with confirms, consumes and acknowledges, and returns messages a second.
func (s site) bare(ctx context.Context, messages int) (float64, error) {
	b, err := s.driver.Open(ctx, s.url, s.variant)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	c, err := b.Consume(consuming, []string{brokers.DefaultQueue}, prefetch)
	if err != nil {
		return 0, err
	}
	var acked atomic.Int64
	done := make(chan struct{})
	began := time.Now()
	for range concurrency {
		go func() {
			for d := range c.Deliveries() {
				if d.Ack(ctx) == nil && acked.Add(1) == int64(messages) {
					close(done)
				}
			}
		}()
	}
	run := ledger.NewRun(rand.NewPCG(rand.Uint64(), 0))
	if err := s.publish(ctx, run, nil, messages); err != nil {
		return 0, err
	}
	select {
	case <-done:
		return float64(messages) / time.Since(began).Seconds(), nil
	case <-time.After(time.Minute):
		return 0, fmt.Errorf("%d of %d messages were acknowledged within a minute", acked.Load(), messages)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// through does the same with a worker process that runs noop and writes evidence, while this process keeps the ledger.
func (s site) through(ctx context.Context, pool string, messages int) (rate float64, err error) {
	w, err := s.witnessed(ctx, pool, concurrency, prefetch)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, w.end(context.WithoutCancel(ctx))) }()
	began := time.Now()
	if err := s.publish(ctx, w.run, w.ledger, messages); err != nil {
		return 0, err
	}
	// The clock stops when the last task has been executed; its acknowledgement, and those of at most a prefetch of
	// others, may be on their way still.
	if n, err := w.executed(ctx, messages, time.Minute); err != nil {
		return 0, fmt.Errorf("%d of %d tasks were executed: %w", n, messages, err)
	}
	return float64(messages) / time.Since(began).Seconds(), nil
}

// publish sends so many messages; a recorder keeps account of each.
func (s site) publish(ctx context.Context, run ledger.Run, r *ledger.Recorder, messages int) error {
	mix, err := noops()
	if err != nil {
		return err
	}
	var links []brokers.Broker
	for range connections {
		b, err := s.driver.Open(ctx, s.url, s.variant)
		if err != nil {
			return err
		}
		defer b.Close()
		links = append(links, b)
	}
	var next atomic.Uint64
	errs := make([]error, publishers)
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for errs[p] == nil {
				seq := next.Add(1) - 1
				if seq >= uint64(messages) {
					return
				}
				if r != nil {
					r.Due(seq, ledger.Now())
					r.PublishStart(seq, ledger.Now())
				}
				errs[p] = links[p%connections].Publish(ctx, mix.Message(seq, run.ID(seq), brokers.DefaultQueue))
				if r != nil && errs[p] == nil {
					r.PublishEnd(seq, ledger.Now(), ledger.PublishOK)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
