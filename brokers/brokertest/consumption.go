package brokertest

import (
	"context"
	"fmt"
	"sync"

	"taskbench/brokers"
)

// consumption is about consumers: how much they hold, how they share, and how they end.
var consumption = []Clause{
	{
		Name: "prefetch-bounds",
		Why:  "a worker that holds more than it asked for starves the others and loses more when it dies",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 20, 5)
			if err != nil {
				return err
			}
			ds, err := take(ctx, c, 5)
			if err != nil {
				return err
			}
			if err := nothing(ctx, c); err != nil {
				return fmt.Errorf("with 5 of 5 unsettled: %w", err)
			}
			if err := ds[0].Ack(ctx); err != nil {
				return err
			}
			if _, err := take(ctx, c, 1); err != nil {
				return fmt.Errorf("after one of 5 was settled: %w", err)
			}
			if err := nothing(ctx, c); err != nil {
				return fmt.Errorf("with 5 of 5 unsettled again: %w", err)
			}
			return nil
		},
	},
	{
		Name: "prefetch-raised",
		Why:  "a pool that grows asks for more, without a new connection",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 20, 2)
			if err != nil {
				return err
			}
			if _, err := take(ctx, c, 2); err != nil {
				return err
			}
			if err := nothing(ctx, c); err != nil {
				return fmt.Errorf("with 2 of 2 unsettled: %w", err)
			}
			if err := c.SetPrefetch(6); err != nil {
				return fmt.Errorf("raise prefetch: %w", err)
			}
			if _, err := take(ctx, c, 4); err != nil {
				return fmt.Errorf("with 2 of 6 unsettled: %w", err)
			}
			if err := nothing(ctx, c); err != nil {
				return fmt.Errorf("with 6 of 6 unsettled: %w", err)
			}
			return nil
		},
	},
	{
		Name: "consumers-share",
		Why:  "two workers on one queue do the work of two, and no task twice",
		Check: func(ctx context.Context, e *Env) error {
			const n = 60
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, n); err != nil {
				return err
			}
			var all []brokers.Delivery
			var cs []brokers.Consumer
			for i := range 2 {
				b, err := e.Open(ctx)
				if err != nil {
					return err
				}
				c, err := b.Consume(ctx, []string{q}, 5)
				if err != nil {
					return err
				}
				ds, err := take(ctx, c, 5) // held until both have some
				if err != nil {
					return fmt.Errorf("consumer %d: %w", i+1, err)
				}
				all, cs = append(all, ds...), append(cs, c)
			}
			for _, d := range all {
				if err := d.Ack(ctx); err != nil {
					return err
				}
			}
			rest, err := takeBoth(ctx, cs[0], cs[1], n-len(all))
			if err != nil {
				return err
			}
			if err := each(append(all, rest...), q, n); err != nil {
				return err
			}
			if err := nothing(ctx, cs[0]); err != nil {
				return err
			}
			return nothing(ctx, cs[1])
		},
	},
	{
		Name: "slow-consumer-blocks-nobody",
		Why:  "one busy queue must not stall another one's worker on the same connection",
		Check: func(ctx context.Context, e *Env) error {
			slow, fast := e.Queue("slow"), e.Queue("fast")
			if err := publish(ctx, e.Broker, slow, 200); err != nil {
				return err
			}
			if _, err := e.Broker.Consume(ctx, []string{slow}, 200); err != nil { // and nobody reads it
				return err
			}
			c, err := e.Broker.Consume(ctx, []string{fast}, 10)
			if err != nil {
				return err
			}
			if err := publish(ctx, e.Broker, fast, 50); err != nil {
				return err
			}
			return takeEach(ctx, c, fast, 50)
		},
	},
	{
		Name: "context-ends-consumer",
		Why:  "a worker that stops takes no more, finishes what it has, and loses nothing",
		Check: func(ctx context.Context, e *Env) error {
			const n = 10
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, n); err != nil {
				return err
			}
			own, stop := context.WithCancel(ctx)
			defer stop()
			c, err := e.Broker.Consume(own, []string{q}, 3)
			if err != nil {
				return err
			}
			hand, err := take(ctx, c, 1)
			if err != nil {
				return err
			}
			stop()
			rest, err := closes(ctx, c, patience)
			if err != nil {
				return err
			}
			if err := c.Err(); err != nil {
				return fmt.Errorf("after the context's end Err is %w, want nil", err)
			}
			hand = append(hand, rest...)
			for _, d := range hand {
				if err := d.Ack(ctx); err != nil {
					return fmt.Errorf("ack a delivery in hand after the consumer's end: %w", err)
				}
			}
			other, err := e.Open(ctx)
			if err != nil {
				return err
			}
			c, err = other.Consume(ctx, []string{q}, 3)
			if err != nil {
				return err
			}
			ds, err := takeAck(ctx, c, n-len(hand))
			if err != nil {
				return fmt.Errorf("the first consumer settled %d, and then: %w", len(hand), err)
			}
			if err := each(append(hand, ds...), q, n); err != nil {
				return err
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "ended-consumer-takes-no-more",
		Why:  "a message that goes to a consumer which has stopped waits for ever",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			own, stop := context.WithCancel(ctx)
			defer stop()
			c, err := e.Broker.Consume(own, []string{q}, 10)
			if err != nil {
				return err
			}
			stop()
			if _, err := closes(ctx, c, patience); err != nil {
				return err
			}
			if c, err = e.Broker.Consume(ctx, []string{q}, 10); err != nil {
				return err
			}
			if err := publish(ctx, e.Broker, q, 10); err != nil {
				return err
			}
			return takeEach(ctx, c, q, 10)
		},
	},
	{
		Name: "close-ends-consumers",
		Why:  "who reads deliveries from a closed broker must not wait for ever",
		Check: func(ctx context.Context, e *Env) error {
			b, err := e.Open(ctx)
			if err != nil {
				return err
			}
			c, err := b.Consume(ctx, []string{e.Queue("q")}, 10)
			if err != nil {
				return err
			}
			if err := b.Close(); err != nil {
				return fmt.Errorf("close: %w", err)
			}
			_, err = closes(ctx, c, patience)
			return err
		},
	},
}

// takeBoth acknowledges n deliveries that two consumers get between them.
func takeBoth(ctx context.Context, a, b brokers.Consumer, n int) (all []brokers.Delivery, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	got := make(chan brokers.Delivery)
	var readers sync.WaitGroup
	for _, c := range []brokers.Consumer{a, b} {
		readers.Go(func() {
			for {
				select {
				case d, open := <-c.Deliveries():
					if !open {
						return
					}
					select {
					case got <- d:
					case <-ctx.Done():
						return
					}
				case <-ctx.Done():
					return
				}
			}
		})
	}
	defer readers.Wait()
	defer cancel()
	for len(all) < n {
		select {
		case d := <-got:
			if err := d.Ack(ctx); err != nil {
				return all, err
			}
			all = append(all, d)
		case <-ctx.Done():
			return all, fmt.Errorf("after %d of %d deliveries to two consumers: %w", len(all), n, ctx.Err())
		}
	}
	return all, nil
}
