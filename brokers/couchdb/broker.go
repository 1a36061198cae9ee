package couchdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer.
type broker struct {
	link   *link
	ids    *ids
	census *census
	writes *group.Group[document]
	ends   *group.Group[settlement]

	joining sync.Mutex // held while a holder comes about

	mu     sync.Mutex
	closed bool
	holder *holder // that this broker's deliveries belong to, once there is one
}

func open(ctx context.Context, url string, _ brokers.Variant) (brokers.Broker, error) {
	l, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	if err := l.prepare(ctx); err != nil {
		l.close()
		return nil, err
	}
	b := &broker{link: l, ids: newIDs(l.clock), census: newCensus(l)}
	b.writes = group.New(b.write)
	b.ends = group.New(l.settle)
	return b, nil
}

func (b *broker) usable(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return brokers.ErrClosed
	}
	return brokers.Refuse(ctx.Err())
}

// farewell is how long Close waits for the server to take back what is held.
const farewell = 2 * time.Second

// Close gives back what is held, then drops the connections. Over a dead link, what is held goes back when its lease ends.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	h := b.holder
	b.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		b.writes.Close()
		b.ends.Close()
		if h != nil {
			h.close()
		}
	}()
	select {
	case <-done:
	case <-time.After(farewell):
	}
	b.link.close()
	<-done
	return nil
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from couchdb: no queue was named")
	}
	err := b.usable(ctx)
	if err != nil {
		return nil, fmt.Errorf("consume from couchdb: %w", err)
	}
	joined := make(chan *subscription, 1)
	err = brokers.Within(ctx, func() error {
		s, err := b.join(queues, prefetch)
		joined <- s
		return err
	})
	if err != nil {
		go func() { // who gave up waiting may have been joined after all
			if s := <-joined; s != nil {
				s.End(nil)
			}
		}()
		return nil, fmt.Errorf("consume from couchdb at %s: %w", b.link.addr, brokers.Refuse(err))
	}
	s := <-joined
	return feed.Consume(ctx, s, feed.Signals{Wake: s.filled, Lost: s.holder.lost, Cause: s.holder.cause}), nil
}

// join makes a subscription to a holder, which is a new one where there is none that lives.
func (b *broker) join(queues []string, prefetch int) (*subscription, error) {
	for {
		h, err := b.living()
		if err != nil {
			return nil, err
		}
		s := newSubscription(b, h, queues, prefetch)
		switch err := h.add(s); {
		case errors.Is(err, errRetired):
			continue
		case err != nil:
			return nil, err
		}
		go s.claim()
		return s, nil
	}
}

// living returns the holder, or makes one.
func (b *broker) living() (*holder, error) {
	b.joining.Lock()
	defer b.joining.Unlock()
	b.mu.Lock()
	h, closed := b.holder, b.closed
	b.mu.Unlock()
	if closed {
		return nil, brokers.ErrClosed
	}
	if h != nil && h.alive() {
		return h, nil
	}
	h, err := newHolder(b.link)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed { // its document goes when its lease ends
		h.lose(brokers.ErrClosed)
		return nil, brokers.ErrClosed
	}
	b.holder = h
	return h, nil
}

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	type counts struct{ ready, unacked int }
	counted := make(chan counts, 1)
	if err = b.usable(ctx); err == nil {
		err = brokers.Within(ctx, func() error {
			ready, unacked, err := b.census.count(queue)
			counted <- counts{ready, unacked}
			return err
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s in couchdb: %w", queue, err)
	}
	n := <-counted
	return n.ready, n.unacked, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	removed := make(chan int, 1)
	err := b.usable(ctx)
	if err == nil {
		err = brokers.Within(ctx, func() error {
			n, err := b.link.purge(queue)
			removed <- n
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("purge queue %s in couchdb: %w", queue, err)
	}
	return <-removed, nil
}
