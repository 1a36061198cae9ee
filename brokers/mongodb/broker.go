package mongodb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/group"
)

// broker implements brokers.Broker, Inspector, Purger and Batcher, for every variant.
type broker struct {
	link      *link
	layout    layout
	ids       *ids
	publishes *group.Group[document]
	settles   *group.Group[settlement]
	finish    func()                   // what else is to be sent before the end
	subs      *feed.Set[*subscription] // lost when the broker is closed
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
	b := &broker{link: l, ids: newIDs(), subs: feed.NewSet[*subscription]()}
	if v.Name == kombuVariant {
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
	if !b.subs.Lose(brokers.ErrClosed) {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.publishes.Close()
		b.settles.Close()
		b.finish()
		for _, s := range slices.Collect(b.subs.All()) {
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

func (b *broker) usable(ctx context.Context) error {
	if err := b.subs.Cause(); err != nil {
		return err
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
