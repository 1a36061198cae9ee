package beanstalkd

import (
	"context"
	"fmt"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	s, err := b.subscribe(ctx, queues, prefetch)
	if err != nil {
		return nil, fmt.Errorf("consume from beanstalkd: %w", err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.filled, Lost: s.lost, Cause: s.cause}), nil
}

func (b *broker) subscribe(ctx context.Context, queues []string, prefetch int) (*subscription, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("no queue was named")
	}
	if _, err := b.link(ctx); err != nil { // it is closed, or there is no server
		return nil, err
	}
	s := newSubscription(b, prefetch)
	for _, q := range queues {
		tube, err := tubeOf(q)
		if err != nil {
			return nil, err
		}
		s.queues[tube] = q
	}
	if _, err := s.newHand(ctx); err != nil {
		return nil, err
	}
	if err := b.subs.Add(s, nil); err != nil {
		s.lose(err)
		return nil, err
	}
	go s.claim()
	go s.keep()
	return s, nil
}

// unbounded is the bound that stands for a prefetch of 0.
const unbounded = 1000

func bound(prefetch int) int {
	if prefetch <= 0 {
		return unbounded
	}
	return prefetch
}
