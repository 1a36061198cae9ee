package feed

import (
	"context"
	"sync/atomic"

	"taskbench/brokers"
)

type delivery struct {
	source  Source
	item    Item
	settled atomic.Bool
}

func (d *delivery) Message() brokers.Message { return d.item.Message }
func (d *delivery) Redelivered() bool        { return d.item.Redelivered }

// Deliveries implements brokers.Counted.
func (d *delivery) Deliveries() int { return d.item.Deliveries }

func (d *delivery) Ack(ctx context.Context) error { return d.settle(ctx, Ack) }

func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	if requeue {
		return d.settle(ctx, Requeue)
	}
	return d.settle(ctx, Reject)
}

// settle lets the delivery be tried again after a failure that had no effect: who was refused has not settled.
func (d *delivery) settle(ctx context.Context, o Outcome) error {
	if !d.settled.CompareAndSwap(false, true) {
		return brokers.ErrSettled
	}
	err := d.source.Settle(ctx, d.item.Tag, o)
	if err != nil && brokers.Definite(err) {
		d.settled.Store(false)
	}
	return err
}
