package redis

import (
	"context"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
)

// A parcel is an encoded message on its way to a list.
type parcel struct {
	queue string
	list  string
	value []byte
}

const (
	exchangeBytes = 4 << 20 // published in one exchange, unless one message is larger
	exchangeCount = 1024
	idleLength    = 64 // a queue at least this long keeps its consumers busy without being woken
)

func pack(m brokers.Message) (parcel, error) {
	value, err := kombu.Encode(m, "", m.Queue)
	return parcel{queue: m.Queue, list: keys.ListOf(m.Queue, m.Priority), value: value}, err
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
	errs := make([]error, 0, len(ps))
	for len(ps) > 0 {
		n, size := 0, 0
		for n < len(ps) && n < exchangeCount && (n == 0 || size+len(ps[n].value) <= exchangeBytes) {
			size += len(ps[n].value)
			n++
		}
		errs = append(errs, b.push(ps[:n])...)
		ps = ps[n:]
	}
	return errs
}

// push sends one LPUSH for each list, which takes all its messages or none, and a wake-up for each queue.
func (b *broker) push(ps []parcel) []error {
	ctx := context.Background()
	var cmds []goredis.Cmder
	var order []string
	values := map[string][]any{}
	queues := map[string]string{}
	for _, p := range ps {
		if values[p.list] == nil {
			order = append(order, p.list)
			queues[p.list] = p.queue
		}
		values[p.list] = append(values[p.list], p.value)
		if _, known := b.bound.LoadOrStore(p.queue, true); !known {
			cmds = append(cmds, bind(ctx, p.queue))
		}
	}
	pushes := map[string]*goredis.IntCmd{}
	for _, list := range order {
		pushes[list] = goredis.NewIntCmd(ctx, append([]any{"lpush", list}, values[list]...)...)
		cmds = append(cmds, pushes[list])
		if _, full := b.full.Load(queues[list]); !full {
			cmds = append(cmds, goredis.NewIntCmd(ctx, "publish", keys.WakeChannel(b.link.DB, queues[list]), ""))
		}
	}
	b.link.Exec(ctx, cmds...)

	for list, cmd := range pushes {
		switch {
		case cmd.Err() != nil:
			b.bound.Clear() // it may be another server by now, or an empty one
			b.full.Clear()
		case cmd.Val() >= idleLength:
			b.full.Store(queues[list], true)
		default:
			b.full.Delete(queues[list])
		}
	}
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = link.Judge(pushes[p.list].Err())
	}
	return errs
}

// bind is what kombu does on the first use of a queue.
func bind(ctx context.Context, queue string) goredis.Cmder {
	return goredis.NewIntCmd(ctx, "sadd", keys.Bindings(queue), keys.Member(queue, "", queue))
}
