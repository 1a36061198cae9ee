package stream

import (
	"context"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/redis/due"
	"taskbench/brokers/redis/exchange"
	"taskbench/brokers/redis/lease"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/redis/outbox"
)

// broker implements brokers.Broker, Inspector, Keeper, Purger, Batcher, Exchanger and Delayer.
type broker struct {
	*exchange.Exchanges
	*outbox.Outbox
	link    *link.Link
	holders *lease.Holders[hold]
	delays  *due.Store
}

// Open connects to the server at url; variant says what its settings are. It returns within the context's deadline; a
// refused connection is a Definite error.
func Open(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
	l, err := link.Open(ctx, url, v, scripts)
	if err != nil {
		return nil, err
	}
	b := &broker{link: l, Exchanges: exchange.New(l, layout{}), delays: due.New(l, delayedKey, "XADD", "*", field)}
	b.Outbox = outbox.New(pack, b.send)
	b.holders = lease.NewHolders(l, lease.Terms[hold]{Plan: plan, Gone: errGone, Sweep: sweepEvery})
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

// Delay implements brokers.Delayer. Any consumer on the same database moves the message to its stream.
func (b *broker) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	value, err := envelope.Append(nil, m)
	if err != nil {
		return err
	}
	return b.delays.Delay(ctx, m, streamOf(m.Queue, m.Priority), value, until)
}

// layout implements exchange.Layout.
type layout struct{}

func (layout) Bindings(exchange string) string { return bindings + exchange }

func (layout) Put(ctx context.Context, queue string, m brokers.Message) (goredis.Cmder, error) {
	value, err := envelope.Append(nil, m)
	if err != nil {
		return nil, err
	}
	return add(ctx, streamOf(queue, m.Priority), value), nil
}
