package redis

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/redis/outbox"
)

// idleLength is the length from which a queue keeps its consumers busy without being woken.
const idleLength = 64

func pack(m brokers.Message) (outbox.Parcel, error) {
	value, err := kombu.Encode(m, "", m.Queue)
	return outbox.Parcel{Queue: m.Queue, Key: keys.ListOf(m.Queue, m.Priority), Value: value}, err
}

// push sends one LPUSH for each list, which takes all its messages or none, and a wake-up for each queue.
func (b *broker) push(ps []outbox.Parcel) []error {
	ctx := context.Background()
	var cmds []goredis.Cmder
	var order []string
	values := map[string][]any{}
	queues := map[string]string{}
	for _, p := range ps {
		if values[p.Key] == nil {
			order = append(order, p.Key)
			queues[p.Key] = p.Queue
		}
		values[p.Key] = append(values[p.Key], p.Value)
		if _, known := b.bound.LoadOrStore(p.Queue, true); !known {
			cmds = append(cmds, bind(ctx, p.Queue))
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
	b.link.Commit(ctx, cmds...)

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
		errs[i] = link.Judge(pushes[p.Key].Err())
	}
	return errs
}

// bind is what kombu does on the first use of a queue.
func bind(ctx context.Context, queue string) goredis.Cmder {
	return goredis.NewIntCmd(ctx, "sadd", keys.Bindings(queue), keys.Member(queue, "", queue))
}
