package redis

import (
	"context"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/group"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/due"
	"taskbench/brokers/redis/exchange"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/redis/stream"
)

// broker implements brokers.Broker, Inspector, Purger, Batcher, Exchanger and Delayer, on kombu's lists.
type broker struct {
	*exchange.Exchanges
	link      *link.Link
	publishes *group.Group[parcel]
	settles   *group.Group[settlement]
	delays    *due.Store

	bound sync.Map // queues whose binding was written over this connection
	full  sync.Map // queues so long that nobody can be waiting for a message

	mu     sync.Mutex
	closed bool
	subs   map[*subscription]struct{}
}

// open connects to lists or to streams, as the variant has it.
func open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	if v.Name == streamVariant {
		return stream.Open(ctx, url, v)
	}
	l, err := link.Open(ctx, url, v, scripts)
	if err != nil {
		return nil, err
	}
	b := &broker{link: l, Exchanges: exchange.New(l, nil), delays: due.New(l, delayedKey, "LPUSH"), subs: map[*subscription]struct{}{}}
	b.publishes = group.New(b.sendPublishes)
	b.settles = group.New(b.sendSettlements)
	return b, nil
}

// Close gives back what is held, then drops the connections.
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
	b.Exchanges.End()

	b.link.Close(func() {
		b.publishes.Close()
		b.settles.Close()
		b.delays.Close()
		for _, s := range subs {
			s.close()
		}
		b.Exchanges.Wait()
	})
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

func (b *broker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Delay implements brokers.Delayer. Any consumer on the same database moves the message to its list.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	value, err := kombu.Encode(m, "", m.Queue)
	if err != nil {
		return err
	}
	return b.delays.Delay(ctx, m, keys.ListOf(m.Queue, m.Priority), value, until)
}
