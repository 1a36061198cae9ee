package beanstalkd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher and Delayer. All but consumers and purging share a link,
// which is made anew when it has failed and is needed.
type broker struct {
	set  settings
	subs *feed.Set[*subscription] // lost when the broker is closed

	mu     sync.Mutex
	out    *link
	making *making // of the next out, while that is under way
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
	b := &broker{set: set, subs: feed.NewSet[*subscription]()}
	if _, err := b.link(ctx); err != nil {
		_ = b.Close() // an attempt may be under way
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%w; is it beanstalkd that listens there, and does it take more connections?", err)
		}
		return nil, fmt.Errorf("open beanstalkd at %s: %w", set.addr, err)
	}
	return b, nil
}

// link returns the link that is shared. Its errors are Definite.
func (b *broker) link(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	b.mu.Lock()
	if err := b.subs.Cause(); err != nil {
		b.mu.Unlock()
		return nil, err
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
	if closed := b.subs.Cause(); m.err == nil && closed != nil {
		m.link.fail(closed)
		m.err = closed
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
	if !b.subs.Lose(brokers.ErrClosed) {
		return nil
	}
	b.mu.Lock()
	out := b.out // whoever makes one from now on ends it
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range slices.Collect(b.subs.All()) {
		all.Go(func() { s.close(ctx) })
	}
	if out != nil {
		out.finish(ctx)
	}
	all.Wait()
	return nil
}
