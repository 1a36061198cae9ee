package redis

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
)

// Depth implements brokers.Inspector: the four lists, and the bookings of the queue, those of other clients too.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if b.holders.Ended() {
		return 0, 0, brokers.ErrClosed
	}
	lengths := lengths(ctx, queue)
	held := heldScript.Call(ctx, []string{unackedKey}, bookingTail(queue))
	err = brokers.Within(ctx, func() error {
		b.link.Exec(ctx, append(lengths, held)...)
		return link.FirstError(append(lengths, held))
	})
	if err != nil {
		return 0, 0, link.Judgef(err, "count queue %s", queue)
	}
	unacked, err = held.Int()
	return sum(lengths), unacked, err
}

// Keys implements brokers.Keeper.
func (b *broker) Keys(ctx context.Context) (int, error) {
	if b.holders.Ended() {
		return 0, brokers.ErrClosed
	}
	return b.link.Keys(ctx)
}

// Purge implements brokers.Purger. It takes what is ready in one step, so that the count is exact.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	if b.holders.Ended() {
		return 0, brokers.ErrClosed
	}
	lengths := lengths(ctx, queue)
	args := []any{"del"}
	for _, l := range keys.ListsOf(queue) {
		args = append(args, l)
	}
	drop := goredis.NewIntCmd(ctx, args...)
	err := brokers.Within(ctx, func() error {
		p := b.link.Client.TxPipeline()
		for _, cmd := range append(lengths, drop) {
			_ = p.Process(ctx, cmd) // only queues
		}
		_, err := p.Exec(ctx)
		return err
	})
	if err != nil {
		return 0, link.Judgef(err, "purge queue %s", queue)
	}
	return sum(lengths), nil
}

func lengths(ctx context.Context, queue string) []goredis.Cmder {
	cmds := make([]goredis.Cmder, 0, keys.Steps+1)
	for _, l := range keys.ListsOf(queue) {
		cmds = append(cmds, goredis.NewIntCmd(ctx, "llen", l))
	}
	return cmds
}

func sum(cmds []goredis.Cmder) (n int) {
	for _, cmd := range cmds {
		n += int(cmd.(*goredis.IntCmd).Val())
	}
	return n
}
