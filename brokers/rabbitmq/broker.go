package rabbitmq

import (
	"context"
	"fmt"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher, Exchanger and Delayer.
type broker struct {
	layout    layout
	publishes *link[*publisher]
	routes    *link[*publisher]
	consumes  *link[*topology]

	once sync.Once
}

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	url, l, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	b, young, to := &broker{layout: l}, &births{}, newServers(url)
	transient := v.Settings["delivery_mode"] == "1"
	publishing := func(c *amqp.Connection) (*publisher, error) {
		return newPublisher(c, newTopology(c, l, young), transient)
	}
	b.publishes = newLink(to, publishing, (*publisher).usable)
	b.routes = newLink(to, publishing, (*publisher).usable)
	b.consumes = newLink(to, func(c *amqp.Connection) (*topology, error) {
		return newTopology(c, l, young), nil
	}, func(*topology) bool { return true })
	if _, err := b.publishes.get(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// Close drops the connections; the server gives what was held to others at once.
func (b *broker) Close() error {
	b.once.Do(func() {
		b.consumes.close()
		b.routes.close()
		b.publishes.close()
	})
	return nil
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	f, err := b.send(ctx, m)
	if err == nil {
		err = f.wait(ctx)
	}
	return failed(m.Queue, err)
}

// batch is how many messages of a PublishBatch may be on their way; fewer than the slots, which are taken by others too.
const batch = 1024

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, 0, len(ms))
	for part := range slices.Chunk(ms, batch) {
		flights := make([]*flight, len(part))
		for i, m := range part {
			var err error
			flights[i], err = b.send(ctx, m)
			errs = append(errs, err)
		}
		results := errs[len(errs)-len(part):]
		for i, f := range flights {
			if f != nil {
				results[i] = f.wait(ctx)
			}
			results[i] = failed(part[i].Queue, results[i])
		}
	}
	return errs
}

func (b *broker) send(ctx context.Context, m brokers.Message) (*flight, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	p, err := b.publishes.get(ctx)
	if err != nil {
		return nil, err
	}
	return p.send(ctx, m)
}

func failed(queue string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("publish to %s: %w", queue, err)
}

// Depth implements brokers.Inspector. AMQP tells what is ready and not what is held.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	err = b.ask(ctx, func(ch *amqp.Channel) error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, b.layout.arguments(queue))
		ready = q.Messages
		return err
	})
	if err != nil {
		return 0, -1, fmt.Errorf("count queue %s: %w", queue, err)
	}
	return ready, -1, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (n int, err error) {
	err = b.ask(ctx, func(ch *amqp.Channel) error {
		n, err = ch.QueuePurge(queue, false)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("purge queue %s: %w", queue, err)
	}
	return n, nil
}

// ask does something on a channel of its own. A queue that does not exist is an empty one.
func (b *broker) ask(ctx context.Context, question func(*amqp.Channel) error) error {
	t, err := b.consumes.get(ctx)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- t.ask(question) }()
	select {
	case err = <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if absent(err) {
		return nil
	}
	return err
}
