package nats

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher, Delayer and Exchanger.
type broker struct {
	settings settings
	dialing  chan struct{} // of capacity one: who is in it may dial

	mu      sync.Mutex
	closed  bool
	ended   chan struct{} // closed by Close
	link    *link         // the newest one
	moving  *link         // over which what is due is moved
	sources map[*source]struct{}
	tasks   sync.WaitGroup
}

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	s, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	b := &broker{settings: s, dialing: make(chan struct{}, 1), ended: make(chan struct{}), sources: map[*source]struct{}{}}
	if b.link, err = dial(ctx, s); err != nil {
		return nil, err
	}
	return b, nil
}

// current is the link that there is, where it is alive.
func (b *broker) current() (*link, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, brokers.ErrClosed
	}
	if b.link.alive() {
		return b.link, nil
	}
	return nil, nil
}

// connect returns the link, and makes another where the last one broke. Its errors are Definite.
func (b *broker) connect(ctx context.Context) (*link, error) {
	if l, err := b.current(); l != nil || err != nil {
		return l, err
	}
	select {
	case b.dialing <- struct{}{}:
		defer func() { <-b.dialing }()
	case <-ctx.Done():
		return nil, brokers.Refuse(ctx.Err())
	case <-b.ended:
		return nil, brokers.ErrClosed
	}
	if l, err := b.current(); l != nil || err != nil {
		return l, err
	}
	l, err := dial(ctx, b.settings)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		l.close()
		return nil, brokers.ErrClosed
	}
	b.link = l
	return l, nil
}

// usable is connect for who may have given up already.
func (b *broker) usable(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		if b.isClosed() {
			return nil, brokers.ErrClosed
		}
		return nil, brokers.Refuse(err)
	}
	return b.connect(ctx)
}

func (b *broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	s, err := b.subscribe(ctx, queues, prefetch)
	if err != nil {
		return nil, fmt.Errorf("consume %q from nats: %w", queues, err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.wake, Lost: s.lost, Cause: s.cause}), nil
}

func (b *broker) subscribe(ctx context.Context, queues []string, prefetch int) (*source, error) {
	for _, q := range queues {
		if err := fits(q); err != nil {
			return nil, fmt.Errorf("queue %s: %w", q, err)
		}
	}
	l, err := b.usable(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.move(ctx, l); err != nil {
		return nil, err
	}
	s := newSource(b, l, prefetch)
	for _, q := range queues {
		lease, err := b.declare(ctx, l, queueOf(q), true)
		if err == nil {
			err = s.add(q, lease)
		}
		if err != nil {
			s.lose(err)
			s.hangUp()
			return nil, err
		}
	}
	if err := l.flush(ctx); err != nil {
		s.lose(err)
		s.hangUp()
		return nil, brokers.Refuse(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		s.lose(brokers.ErrClosed)
		return nil, brokers.ErrClosed
	}
	b.sources[s] = struct{}{}
	b.tasks.Go(s.keep)
	s.begin()
	return s, nil
}

func (b *broker) dismiss(s *source) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sources, s)
}

// farewell is how long Close waits for the server to take back what is held.
const farewell = 2 * time.Second

// Close implements brokers.Broker. What is held goes back at once, or over a dead link when its lease ends.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	close(b.ended)
	l := b.link
	sources := make([]*source, 0, len(b.sources))
	for s := range b.sources {
		sources = append(sources, s)
	}
	b.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, s := range sources {
			s.close()
		}
	}()
	late := time.NewTimer(farewell)
	defer late.Stop()
	select {
	case <-done:
	case <-late.C:
	}
	l.close()
	<-done
	b.tasks.Wait()
	return nil
}
