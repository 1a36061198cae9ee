// Package outbox publishes to Redis, whatever the layout of keys: what many publish at the same time goes out together, in
// exchanges of a bounded size.
package outbox

import (
	"context"
	"fmt"

	"taskbench/brokers"
	"taskbench/brokers/group"
)

const (
	exchangeBytes = 4 << 20 // published in one exchange, unless one message is larger
	exchangeCount = 1024
)

// A Parcel is an encoded message on its way to the key that holds it.
type Parcel struct {
	Queue, Key string
	Value      []byte
}

// An Outbox is the publishing half of a broker. It is safe for concurrent use.
type Outbox struct {
	pack    func(m brokers.Message) (Parcel, error)
	send    func(all []Parcel) []error
	parcels *group.Group[Parcel]
}

// New returns an outbox. Pack encodes a message, and its errors are Definite; send makes one exchange, and returns an outcome
// for each parcel.
func New(pack func(m brokers.Message) (Parcel, error), send func(all []Parcel) []error) *Outbox {
	o := &Outbox{pack: pack, send: send}
	o.parcels = group.New(o.split)
	return o
}

// Close returns when what was to be published has its outcome. It is called once.
func (o *Outbox) Close() { o.parcels.Close() }

// Publish implements brokers.Broker.
func (o *Outbox) Publish(ctx context.Context, m brokers.Message) error {
	p, err := o.pack(m)
	if err != nil {
		return err
	}
	if err := o.parcels.Do(ctx, p, nil); err != nil {
		return fmt.Errorf("publish to %s in redis: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (o *Outbox) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	return o.parcels.PublishAll(ctx, "redis", ms, o.pack)
}

// split sends what waits, part by part.
func (o *Outbox) split(all []Parcel) []error {
	errs := make([]error, 0, len(all))
	for len(all) > 0 {
		n, size := 0, 0
		for n < len(all) && n < exchangeCount && (n == 0 || size+len(all[n].Value) <= exchangeBytes) {
			size += len(all[n].Value)
			n++
		}
		errs = append(errs, o.send(all[:n])...)
		all = all[n:]
	}
	return errs
}
