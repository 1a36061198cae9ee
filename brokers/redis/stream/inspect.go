package stream

import (
	"context"

	"taskbench/brokers"
	"taskbench/brokers/redis/link"
)

// Depth implements brokers.Inspector: what is in the streams is ready, but for what consumers of the group hold.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if b.holders.Ended() {
		return 0, 0, brokers.ErrClosed
	}
	cmd := depthScript.Call(ctx, streamsOf(queue))
	err = brokers.Within(ctx, func() error {
		b.link.Exec(ctx, cmd)
		return cmd.Err()
	})
	if err != nil {
		return 0, 0, link.Judgef(err, "count queue %s", queue)
	}
	counts, err := cmd.Int64Slice()
	if err != nil {
		return 0, 0, link.Judgef(err, "count queue %s", queue)
	}
	return int(counts[0]), int(counts[1]), nil
}

// Keys implements brokers.Keeper.
func (b *broker) Keys(ctx context.Context) (int, error) {
	if b.holders.Ended() {
		return 0, brokers.ErrClosed
	}
	return b.link.Keys(ctx)
}

// Purge implements brokers.Purger. Where something is held, what is ready goes by and by, and what is published meanwhile
// may go with it.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	if b.holders.Ended() {
		return 0, brokers.ErrClosed
	}
	purged := 0
	err := brokers.Within(ctx, func() error {
		for _, stream := range streamsOf(queue) {
			for more := true; more && ctx.Err() == nil; {
				cmd := purgeScript.Call(ctx, []string{stream})
				b.link.Exec(ctx, cmd)
				n, err := cmd.Int()
				if err != nil {
					return err
				}
				purged += n
				more = n > 0
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return 0, link.Judgef(err, "purge queue %s", queue)
	}
	return purged, nil
}
