package brokertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"taskbench/brokers"
)

// leasing is about what a consumer holds when its process dies, stands still, or only takes its time.
var leasing = []Clause{
	{
		Name:  "unacked-returns-on-death",
		Why:   "a process that is killed says nothing, and what it held must be done by another",
		Needs: []brokers.Promise{brokers.Redelivers},
		Hooks: []Hook{Vanish},
		Limit: 2 * time.Minute,
		Waits: true,
		Check: func(ctx context.Context, e *Env) error {
			q := e.Queue("q")
			if err := publish(ctx, e.Broker, q, 1); err != nil {
				return err
			}
			if err := e.Subject.Vanish(ctx, q); err != nil {
				return fmt.Errorf("take a message and vanish: %w", err)
			}
			c, err := e.Broker.Consume(ctx, []string{q}, 1)
			if err != nil {
				return err
			}
			return returns(ctx, c, q, "after its holder vanished")
		},
	},
	{
		Name:  "lease-ends-not-early",
		Why:   "a worker that stands still for a moment, and finds its task done twice, was taken for dead too soon",
		Needs: []brokers.Promise{brokers.Timeout},
		Lease: true,
		Hooks: []Hook{Stall},
		Limit: 2 * time.Minute,
		Waits: true,
		Check: endsNotEarly,
	},
	{
		Name:  "lease-is-renewed",
		Why:   "a task may take longer than a lease, and must not be given to another meanwhile",
		Needs: []brokers.Promise{brokers.Timeout},
		Lease: true,
		Limit: 2 * time.Minute,
		Waits: true,
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
			_, other, err := consumeElsewhere(ctx, e, q, 1)
			if err != nil {
				return err
			}
			lease := e.Subject.Variant.Lease
			if err := nothingFor(ctx, other, 3*lease); err != nil {
				return fmt.Errorf("while its holder lives, with a lease of %v: %w", lease, err)
			}
			if err := d.Ack(ctx); err != nil {
				return fmt.Errorf("ack after three leases: %w", err)
			}
			return nothing(ctx, other)
		},
	},
}

// endsNotEarly looks at the first half of a lease, and again where consuming took so long that there was not much to look at.
func endsNotEarly(ctx context.Context, e *Env) error {
	const tries = 3
	for i := range tries {
		looked, err := standsStill(ctx, e, e.Queue(fmt.Sprintf("q%d", i)))
		if looked || err != nil {
			return err
		}
	}
	return fmt.Errorf("consuming took more than a quarter of a lease of %v, %d times: nobody could see whether it ends early", e.Subject.Variant.Lease, tries)
}

// standsStill stalls a process that holds a message, and kills it after half of its lease. No sign of its life is older than
// half a lease, so until then the message must be its own. Looked says that a quarter of a lease at least was watched.
func standsStill(ctx context.Context, e *Env, q string) (looked bool, err error) {
	if err := publish(ctx, e.Broker, q, 1); err != nil {
		return false, err
	}
	end, err := e.Subject.Stall(ctx, q)
	if err != nil {
		return false, fmt.Errorf("take a message and stand still: %w", err)
	}
	defer func() { err = errors.Join(err, end()) }()
	lease := e.Subject.Variant.Lease
	safe := time.Now().Add(lease / 2)
	c, err := e.Broker.Consume(ctx, []string{q}, 1)
	if err != nil {
		return false, err
	}
	if time.Until(safe) < lease/4 {
		return false, nil
	}
	if err := nothingFor(ctx, c, time.Until(safe)); err != nil {
		return true, fmt.Errorf("while its holder stood still, in the first half of its lease of %v: %w", lease, err)
	}
	if err := end(); err != nil {
		return true, fmt.Errorf("kill the process that stands still: %w", err)
	}
	return true, returns(ctx, c, q, "after its holder stood still and was killed")
}

// returns waits for the only message of a queue, which was in other hands.
func returns(ctx context.Context, c brokers.Consumer, queue, after string) error {
	d, err := nextWithin(ctx, c, time.Minute)
	if err != nil {
		return fmt.Errorf("%s: %w", after, err)
	}
	return errors.Join(each([]brokers.Delivery{d}, queue, 1), d.Ack(ctx))
}
