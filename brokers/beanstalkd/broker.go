package beanstalkd

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer. All but consumers and purging share a link,
// which is made anew when it has failed and is needed.
type broker struct {
	set settings

	mu     sync.Mutex
	out    *link
	making *making // of the next out, while that is under way
	closed bool
	subs   map[*subscription]struct{}
}

// A making is one attempt to connect, for all who wait for it.
type making struct {
	done chan struct{}
	link *link
	err  error
}

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	set, err := configure(url, v)
	if err != nil {
		return nil, err
	}
	b := &broker{set: set, subs: map[*subscription]struct{}{}}
	if _, err := b.link(ctx); err != nil {
		_ = b.Close() // an attempt may be under way
		return nil, fmt.Errorf("open beanstalkd: %w", err)
	}
	return b, nil
}

// link returns the link that is shared. Its errors are Definite.
func (b *broker) link(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil, brokers.ErrClosed
	}
	if b.out != nil && b.out.failed() == nil {
		defer b.mu.Unlock()
		return b.out, nil
	}
	m := b.making
	if m == nil {
		m = &making{done: make(chan struct{})}
		b.making = m
		go b.make(m)
	}
	b.mu.Unlock()
	select {
	case <-m.done:
		return m.link, m.err
	case <-ctx.Done():
		return nil, brokers.Refuse(ctx.Err())
	}
}

func (b *broker) make(m *making) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	m.link, _, m.err = connect(ctx, b.set.addr)
	b.mu.Lock()
	b.making = nil
	if m.err == nil && b.closed {
		m.link.fail(brokers.ErrClosed)
		m.err = brokers.ErrClosed
	}
	if m.err == nil {
		b.out = m.link
	}
	b.mu.Unlock()
	close(m.done)
}

// farewell is how long Close waits for answers to what was sent before.
const farewell = 2 * time.Second

// Close drops the connections, and with them what is held.
func (b *broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	out := b.out
	subs := make([]*subscription, 0, len(b.subs))
	for s := range b.subs {
		subs = append(subs, s)
	}
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range subs {
		all.Go(func() { s.close(ctx) })
	}
	if out != nil {
		out.finish(ctx)
	}
	all.Wait()
	return nil
}

func (b *broker) enlist(s *subscription) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return brokers.ErrClosed
	}
	b.subs[s] = struct{}{}
	return nil
}

func (b *broker) dismiss(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, s)
}
