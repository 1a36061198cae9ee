package simulation

import (
	"context"
	"sync"
	"time"

	"taskbench/brokers"
)

// A consumer carries deliveries over the network to a node.
type consumer struct {
	conn  *conn
	inner brokers.Consumer
	out   chan brokers.Delivery

	mu    sync.Mutex
	queue []*delivery // under way
	shut  bool        // no more will come
	wake  chan struct{}

	// What was handed out while the answer to the request for it was under way comes to light with that.
	born, known time.Time

	held          []*holding // guarded by the custody, as is all below
	bound, waning int        // the prefetch, and a larger one that was lowered to it
}

func consume(ctx context.Context, c *conn, inner brokers.Consumer, prefetch int, since time.Time) *consumer {
	k := &consumer{conn: c, inner: inner, out: make(chan brokers.Delivery), wake: make(chan struct{}, 1), born: since, known: time.Now(), bound: prefetch}
	go k.pull()
	go k.carry(context.WithoutCancel(ctx))
	return k
}

// pull takes what the broker hands out at the moment at which it does.
func (k *consumer) pull() {
	for d := range k.inner.Deliveries() {
		if h := k.conn.network.custody.take(k, d); h != nil {
			k.push(&delivery{d, k.conn, h}, false)
		}
	}
	if k.inner.Err() != nil {
		k.conn.network.custody.ended(k)
	}
	k.push(nil, true)
}

func (k *consumer) push(d *delivery, shut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if d != nil {
		k.queue = append(k.queue, d)
	}
	k.shut = k.shut || shut
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (k *consumer) pop() (d *delivery, shut bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		return nil, k.shut
	}
	d = k.queue[0]
	k.queue = k.queue[1:]
	return d, false
}

// carry brings deliveries to the node, one after the other. Its end is seen there when the connection's is.
func (k *consumer) carry(ctx context.Context) {
	defer close(k.out)
	for {
		d, shut := k.pop()
		switch {
		case shut:
			k.conn.mu.Lock()
			silent := k.conn.broken
			k.conn.mu.Unlock()
			if silent {
				<-k.conn.cut
			}
			return
		case d == nil:
			select {
			case <-k.wake:
			case <-k.conn.cut:
				return
			}
			continue
		}
		if !k.conn.travel(ctx) {
			return
		}
		select {
		case k.out <- d:
		case <-k.conn.cut:
			return
		}
	}
}

// Deliveries implements brokers.Consumer.
func (k *consumer) Deliveries() <-chan brokers.Delivery { return k.out }

// SetPrefetch implements brokers.Consumer.
func (k *consumer) SetPrefetch(n int) error {
	k.conn.network.custody.setPrefetch(k, n)
	return k.inner.SetPrefetch(n)
}

// Err implements brokers.Consumer.
func (k *consumer) Err() error {
	if k.conn.gone() {
		return errCut
	}
	return k.inner.Err()
}

type delivery struct {
	brokers.Delivery
	conn    *conn
	holding *holding
}

// Ack implements brokers.Delivery.
func (d *delivery) Ack(ctx context.Context) error {
	return d.conn.exchange(ctx, "ack", func(ctx context.Context) error {
		d.conn.network.custody.settle(d.holding)
		return d.Delivery.Ack(ctx)
	})
}

// Nack implements brokers.Delivery.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	return d.conn.exchange(ctx, "nack", func(ctx context.Context) error {
		d.conn.network.custody.settle(d.holding)
		return d.Delivery.Nack(ctx, requeue)
	})
}
