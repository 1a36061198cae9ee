package redis

import (
	"context"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/due"
	"taskbench/brokers/redis/exchange"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/lease"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/redis/outbox"
	"taskbench/brokers/redis/stream"
)

// broker implements brokers.Broker, Inspector, Keeper, Purger, Batcher, Exchanger and Delayer, on kombu's lists.
type broker struct {
	*exchange.Exchanges
	*outbox.Outbox
	link    *link.Link
	holders *lease.Holders[string]
	delays  *due.Store

	bound sync.Map // queues whose binding was written over this connection
	full  sync.Map // queues so long that nobody can be waiting for a message
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
	b := &broker{link: l, Exchanges: exchange.New(l, nil), delays: due.New(l, delayedKey, "LPUSH")}
	b.Outbox = outbox.New(pack, b.push)
	b.holders = lease.NewHolders(l, lease.Terms[string]{Plan: plan, Gone: errGone, Sweep: sweepEvery})
	return b, nil
}

// Close gives back what is held, then drops the connections.
func (b *broker) Close() error {
	if !b.holders.End() {
		return nil
	}
	b.Exchanges.End()
	b.link.Close(func() {
		b.Outbox.Close()
		b.delays.Close()
		b.holders.Close()
		b.Exchanges.Wait()
	})
	return nil
}

// Delay implements brokers.Delayer. Any consumer on the same database moves the message to its list.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	value, err := kombu.Encode(m, "", m.Queue)
	if err != nil {
		return err
	}
	return b.delays.Delay(ctx, m, keys.ListOf(m.Queue, m.Priority), value, until)
}
