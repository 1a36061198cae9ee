package brokertest_test

import (
	"context"
	"errors"
	"sync/atomic"

	"taskbench/brokers"
)

func consumptionBugs() []bug {
	turn := make(chan struct{}, 1)
	var ended atomic.Bool
	return []bug{
		{clause: "prefetch-bounds", name: "knows no bound", consume: greedy},
		{clause: "consumers-share", name: "gives all to the first", consume: greedy},
		{clause: "prefetch-raised", name: "does not raise", raise: func(int, func(int) error) error { return nil }},
		{
			clause: "prefetch-raised", name: "takes any change for no bound",
			raise: func(_ int, next func(int) error) error { return next(0) },
		},
		{
			clause: "slow-consumer-blocks-nobody", name: "delivers to one at a time",
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				c, err := next(ctx, queues, prefetch)
				if err != nil {
					return nil, err
				}
				return inTurn(ctx, c, turn), nil
			},
		},
		{clause: "context-ends-consumer", name: "does not look at the context", consume: regardless},
		{
			clause: "context-ends-consumer", name: "cannot settle what is in hand",
			consume: func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
				context.AfterFunc(ctx, func() { ended.Store(true) })
				return next(ctx, queues, prefetch)
			},
			settle: func(ctx context.Context, how settling, d brokers.Delivery) error {
				if ended.Load() {
					return errors.New("the consumer has ended")
				}
				return how.carryOut(ctx, d)
			},
		},
		{clause: "ended-consumer-takes-no-more", name: "goes on behind the scenes", consume: undead},
		{clause: "close-ends-consumers", name: "does not tell", consume: deaf},
	}
}

// greedy ignores the bound.
func greedy(ctx context.Context, queues []string, _ int, next consumeFunc) (brokers.Consumer, error) {
	return next(ctx, queues, 0)
}

// regardless ignores the context.
func regardless(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
	return next(context.WithoutCancel(ctx), queues, prefetch)
}

// undead closes Deliveries when the context ends, and goes on taking messages.
func undead(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
	c, err := next(context.WithoutCancel(ctx), queues, prefetch)
	if err != nil {
		return nil, err
	}
	return passOn(ctx, c, bug{}), nil
}

// deaf leaves Deliveries open when the link is lost.
func deaf(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error) {
	c, err := next(ctx, queues, prefetch)
	if err != nil {
		return nil, err
	}
	p := &passing{Consumer: c, out: make(chan brokers.Delivery)}
	go func() {
		for d := range c.Deliveries() {
			select {
			case p.out <- d:
			case <-ctx.Done():
				return
			}
		}
	}()
	return p, nil
}

// inTurn delivers only while no other consumer that shares the turn has a delivery waiting.
func inTurn(ctx context.Context, c brokers.Consumer, turn chan struct{}) brokers.Consumer {
	p := &passing{Consumer: c, out: make(chan brokers.Delivery)}
	first := false // the first consumer has its turn before the next can come
	select {
	case turn <- struct{}{}:
		first = true
	default:
	}
	go func() {
		defer close(p.out)
		for d := range c.Deliveries() {
			if !first {
				select {
				case turn <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
			first = false
			select {
			case p.out <- d:
				<-turn
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}
