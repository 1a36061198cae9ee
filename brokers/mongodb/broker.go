package mongodb

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger and Batcher, for every variant.
type broker struct {
	link      *link
	layout    layout
	ids       *ids
	publishes *group.Group[document]
	settles   *group.Group[settlement]
	finish    func() // what else is to be sent before the end

	mu     sync.Mutex
	closed bool
	subs   map[*subscription]struct{}
}

// leaser is a broker that keeps messages until they are due, too.
type leaser struct {
	*broker
	delays *group.Group[document]
}

func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	l, err := dial(ctx, url, v)
	if err != nil {
		return nil, err
	}
	b := &broker{link: l, ids: newIDs(), subs: map[*subscription]struct{}{}}
	if v.Name == "kombu" {
		b.start(newFetching(l))
		return b, nil
	}
	leases := newLeasing(l)
	b.start(leases)
	d := &leaser{broker: b, delays: group.New(leases.delay)}
	b.finish = d.delays.Close
	return d, nil
}

func (b *broker) start(l layout) {
	b.layout, b.finish = l, func() {}
	b.publishes = group.New(b.sendPublishes)
	b.settles = group.New(l.settle)
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
	subs := make([]*subscription, 0, len(b.subs))
	for s := range b.subs {
		subs = append(subs, s)
	}
	b.mu.Unlock()

	done := make(chan struct{})
	go func() {
		defer close(done)
		b.publishes.Close()
		b.settles.Close()
		b.finish()
		for _, s := range subs {
			s.close()
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

func (b *broker) usable(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return brokers.ErrClosed
	}
	return brokers.Refuse(ctx.Err())
}

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	var waits, held int // whoever gives up leaves them to the question
	if err = b.usable(ctx); err == nil {
		err = b.link.do(ctx, func(ctx context.Context) (err error) {
			waits, held, err = b.layout.count(ctx, queue)
			return err
		})
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s: %w", queue, err)
	}
	return waits, held, nil
}

// Purge implements brokers.Purger.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	var removed int64
	err := b.usable(ctx)
	if err == nil {
		err = b.link.do(ctx, func(ctx context.Context) error {
			r, err := b.layout.ready().DeleteMany(ctx, of(queue))
			if err == nil {
				removed = r.DeletedCount
			}
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("purge queue %s: %w", queue, err)
	}
	return int(removed), nil
}
