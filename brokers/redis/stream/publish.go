package stream

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/redis/link"
)

// A parcel is an encoded message on its way to a stream.
type parcel struct {
	stream string
	value  []byte
}

const (
	exchangeBytes = 4 << 20 // published in one exchange, unless one message is larger
	exchangeCount = 1024
)

func pack(m brokers.Message) (parcel, error) {
	value, err := envelope.Append(nil, m)
	return parcel{stream: streamOf(m.Queue, m.Priority), value: value}, err
}

// add is the one command of a publish: who waits for the stream is woken by it.
func add(ctx context.Context, stream string, value []byte) goredis.Cmder {
	return goredis.NewStringCmd(ctx, "xadd", stream, "*", field, value)
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	p, err := pack(m)
	if err != nil {
		return err
	}
	if err := b.publishes.Do(ctx, p, nil); err != nil {
		return fmt.Errorf("publish to %s: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (b *broker) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	var parcels []parcel
	var places []int
	for i, m := range ms {
		p, err := pack(m)
		if errs[i] = err; err == nil {
			parcels, places = append(parcels, p), append(places, i)
		}
	}
	for n, err := range b.publishes.DoAll(ctx, parcels) {
		if err != nil {
			errs[places[n]] = fmt.Errorf("publish to %s: %w", ms[places[n]].Queue, err)
		}
	}
	return errs
}

// sendPublishes splits what waits into exchanges of a bounded size.
func (b *broker) sendPublishes(ps []parcel) []error {
	ctx := context.Background()
	errs := make([]error, 0, len(ps))
	for len(ps) > 0 {
		var cmds []goredis.Cmder
		size := 0
		for _, p := range ps {
			if len(cmds) == exchangeCount || len(cmds) > 0 && size+len(p.value) > exchangeBytes {
				break
			}
			size += len(p.value)
			cmds = append(cmds, add(ctx, p.stream, p.value))
		}
		b.link.Exec(ctx, cmds...)
		for _, cmd := range cmds {
			errs = append(errs, link.Judge(cmd.Err()))
		}
		ps = ps[len(cmds):]
	}
	return errs
}
