package brokertest

import (
	"context"
	"errors"
	"fmt"

	"taskbench/brokers"
)

// counting is about Inspector and Purger.
var counting = []Clause{
	{
		Name:  "counts-ready",
		Why:   "a backlog that is not seen is not dealt with, and a drain that is not seen never ends",
		Needs: []brokers.Promise{brokers.Counts},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := counted(ctx, e.Broker, q, 0, -1); err != nil {
				return fmt.Errorf("a queue never used: %w", err)
			}
			if err := publish(ctx, e.Broker, q, 7); err != nil {
				return err
			}
			if err := counted(ctx, e.Broker, q, 7, -1); err != nil {
				return fmt.Errorf("after 7 publishes: %w", err)
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 7)
			if err != nil {
				return err
			}
			if _, err := takeAck(ctx, c, 7); err != nil {
				return err
			}
			if err := counted(ctx, e.Broker, q, 0, -1); err != nil {
				return fmt.Errorf("after 7 acks: %w", err)
			}
			return nil
		},
	},
	{
		Name:  "counts-unacked",
		Why:   "a queue is quiet only when nothing is in anybody's hands either",
		Needs: []brokers.Promise{brokers.Counts, brokers.CountsUnacked, brokers.Redelivers},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 5); err != nil {
				return err
			}
			b, c, err := consumeElsewhere(ctx, e, q, 3)
			if err != nil {
				return err
			}
			if _, err := take(ctx, c, 3); err != nil {
				return err
			}
			if err := counted(ctx, e.Broker, q, 2, 3); err != nil {
				return fmt.Errorf("with 3 of 5 handed out: %w", err)
			}
			if err := b.Close(); err != nil {
				return err
			}
			if err := counted(ctx, e.Broker, q, 5, 0); err != nil {
				return fmt.Errorf("after their holder's close: %w", err)
			}
			return nil
		},
	},
	{
		Name:  "purges-ready",
		Why:   "purging empties the queue, says how much that was, and leaves alone what a worker holds",
		Needs: []brokers.Promise{brokers.Purges},
		Check: func(ctx context.Context, e *Env) error {
			p, ok := e.Broker.(brokers.Purger)
			if !ok {
				return errors.New("the broker promises to purge, and is no Purger")
			}
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 6, 1)
			if err != nil {
				return err
			}
			held, err := next(ctx, c)
			if err != nil {
				return err
			}
			for _, want := range []int{5, 0} {
				if n, err := p.Purge(ctx, q); err != nil || n != want {
					return fmt.Errorf("purge says %d and %w, want %d and no error", n, orNone(err), want)
				}
			}
			if err := held.Ack(ctx); err != nil {
				return fmt.Errorf("ack what was held during the purge: %w", err)
			}
			return nothing(ctx, c)
		},
	},
}

// counted waits until the queue's counts are as they must be; unacked is not looked at when it is negative.
func counted(ctx context.Context, b brokers.Broker, queue string, ready, unacked int) error {
	i, ok := b.(brokers.Inspector)
	if !ok {
		return errors.New("the broker promises to count, and is no Inspector")
	}
	return eventually(ctx, func() error {
		r, u, err := i.Depth(ctx, queue)
		if err != nil {
			return fmt.Errorf("count: %w", err)
		}
		if r != ready || unacked >= 0 && u != unacked {
			return fmt.Errorf("counts %d ready and %d unacked, want %d and %d", r, u, ready, unacked)
		}
		return nil
	})
}
