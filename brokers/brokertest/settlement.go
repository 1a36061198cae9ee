package brokertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"taskbench/brokers"
)

// settlement is about what becomes of a delivery.
var settlement = []Clause{
	{
		Name:  "unacked-returns-on-close",
		Why:   "what a worker held when it went away must be done by another",
		Needs: []brokers.Promise{brokers.Redelivers},
		Check: func(ctx context.Context, e *Env) error {
			_, _, err := abandon(ctx, e, 5)
			return err
		},
	},
	{
		Name:  "redelivered-flag",
		Why:   "a task that is not safe to repeat looks at the flag",
		Needs: []brokers.Promise{brokers.Redelivers, brokers.RedeliverFlag},
		Check: func(ctx context.Context, e *Env) error {
			first, again, err := abandon(ctx, e, 3)
			if err != nil {
				return err
			}
			told := false // a quorum queue tells from the second time on
			for _, d := range first {
				if d.Redelivered() {
					return fmt.Errorf("message %s is flagged as redelivered the first time", d.Message().CorrelationID)
				}
				if n := handings(d); n > 1 {
					return fmt.Errorf("message %s is said to be handed out %d times, the first time", d.Message().CorrelationID, n)
				} else if n == 1 {
					told = true
				}
			}
			for _, d := range again {
				if !d.Redelivered() {
					return fmt.Errorf("message %s is not flagged as redelivered the second time", d.Message().CorrelationID)
				}
				if n := handings(d); n != 2 && (n != 0 || told) {
					return fmt.Errorf("message %s is said to be handed out %d times, the second time", d.Message().CorrelationID, n)
				}
			}
			return nil
		},
	},
	{
		Name: "ack-is-final",
		Why:  "a task that was acknowledged and comes back runs twice",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 10); err != nil {
				return err
			}
			b, c, err := consumeElsewhere(ctx, e, q, 10)
			if err != nil {
				return err
			}
			if _, err := takeAck(ctx, c, 10); err != nil {
				return err
			}
			return stayGone(ctx, e, b, q)
		},
	},
	{
		Name: "nack-requeues",
		Why:  "a worker that cannot run a task now gives it to whoever can",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 1, 1)
			if err != nil {
				return err
			}
			for range 3 {
				d, err := next(ctx, c)
				if err != nil {
					return err
				}
				if err := d.Nack(ctx, true); err != nil {
					return fmt.Errorf("nack: %w", err)
				}
			}
			if err := takeEach(ctx, c, q, 1); err != nil {
				return err
			}
			return nothing(ctx, c)
		},
	},
	{
		Name: "rejected-never-returns",
		Why:  "a message that nobody can read would otherwise go round for ever",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 3); err != nil {
				return err
			}
			b, c, err := consumeElsewhere(ctx, e, q, 3)
			if err != nil {
				return err
			}
			ds, err := take(ctx, c, 3)
			if err != nil {
				return err
			}
			for _, d := range ds {
				if err := d.Nack(ctx, false); err != nil {
					return fmt.Errorf("nack without requeue: %w", err)
				}
			}
			return stayGone(ctx, e, b, q)
		},
	},
	{
		Name:  "rejected-is-kept-aside",
		Why:   "what could not be run must be there to be looked at, whole",
		Needs: []brokers.Promise{brokers.DeadLetters},
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			dead := brokers.DeadLetterQueue(q)
			c, err := consumeBacklog(ctx, e, q, 1, 1)
			if err != nil {
				return err
			}
			d, err := next(ctx, c)
			if err != nil {
				return err
			}
			if err := d.Nack(ctx, false); err != nil {
				return fmt.Errorf("nack without requeue: %w", err)
			}
			if c, err = e.Broker.Consume(ctx, []string{dead}, 1); err != nil {
				return err
			}
			ds, err := takeAck(ctx, c, 1)
			if err != nil {
				return fmt.Errorf("from %s: %w", dead, err)
			}
			got, want := ds[0].Message(), letter(q, 0)
			if !bytes.Equal(got.Body, want.Body) || got.CorrelationID != want.CorrelationID || got.Headers["id"] != want.Headers["id"] {
				return fmt.Errorf("kept aside as %+v, published as %+v", got, want)
			}
			return nil
		},
	},
	{
		Name: "settled-once",
		Why:  "a second settling that has an effect loses or repeats somebody's task",
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			c, err := consumeBacklog(ctx, e, q, 1, 1)
			if err != nil {
				return err
			}
			d, err := next(ctx, c)
			if err != nil {
				return err
			}
			if err := d.Nack(ctx, true); err != nil {
				return err
			}
			if err := d.Ack(ctx); !errors.Is(err, brokers.ErrSettled) {
				return fmt.Errorf("ack after nack gives %w, want ErrSettled", orNone(err))
			}
			if d, err = next(ctx, c); err != nil {
				return fmt.Errorf("ack after nack had an effect: %w", err)
			}
			if err := d.Ack(ctx); err != nil {
				return err
			}
			if err := d.Ack(ctx); !errors.Is(err, brokers.ErrSettled) {
				return fmt.Errorf("second ack gives %w, want ErrSettled", orNone(err))
			}
			if err := d.Nack(ctx, true); !errors.Is(err, brokers.ErrSettled) {
				return fmt.Errorf("nack after ack gives %w, want ErrSettled", orNone(err))
			}
			return nothing(ctx, c)
		},
	},
}

// consumeElsewhere consumes on a connection of its own.
func consumeElsewhere(ctx context.Context, e *Env, queue string, prefetch int) (brokers.Broker, brokers.Consumer, error) {
	b, err := e.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := b.Consume(ctx, []string{queue}, prefetch)
	return b, c, err
}

// abandon lets one connection take n messages and close, and another take and acknowledge them.
func abandon(ctx context.Context, e *Env, n int) (first, again []brokers.Delivery, err error) {
	q := e.Queue("q")
	if err := publish(ctx, e.Broker, q, n); err != nil {
		return nil, nil, err
	}
	b, c, err := consumeElsewhere(ctx, e, q, n)
	if err != nil {
		return nil, nil, err
	}
	if first, err = take(ctx, c, n); err != nil {
		return nil, nil, err
	}
	if err := b.Close(); err != nil {
		return nil, nil, fmt.Errorf("close with %d unsettled: %w", n, err)
	}
	if c, err = e.Broker.Consume(ctx, []string{q}, n); err != nil {
		return nil, nil, err
	}
	if again, err = takeAck(ctx, c, n); err != nil {
		return nil, nil, fmt.Errorf("after its holder's close: %w", err)
	}
	return first, again, each(again, q, n)
}

// handings is what a delivery says of how often its message was handed out, or 0.
func handings(d brokers.Delivery) int {
	if c, counts := d.(brokers.Counted); counts {
		return c.Deliveries()
	}
	return 0
}

// stayGone closes the broker that settled all of a queue, and makes sure that nothing comes back.
func stayGone(ctx context.Context, e *Env, b brokers.Broker, queue string) error {
	if err := b.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	c, err := e.Broker.Consume(ctx, []string{queue}, 10)
	if err != nil {
		return err
	}
	return nothing(ctx, c)
}
