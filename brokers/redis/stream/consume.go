package stream

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/feed"
	"taskbench/brokers/redis/link"
)

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from redis: no queue was named")
	}
	s := newSubscription(b, queues, prefetch)
	err := brokers.Within(ctx, func() error { return s.register(ctx) })
	if err == nil {
		err = b.enlist(s)
	}
	if err != nil {
		_ = s.bell.Close() // nobody needs it any more
		// The link's own deadline is the context's, and may be noticed first. A name that was registered in vain is
		// forgotten when its lease ends.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			err = context.DeadlineExceeded
		}
		if ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) {
			err = brokers.Refuse(err)
		}
		return nil, link.Judgef(err, "consume from redis")
	}
	go s.claim()
	go s.keep()
	go b.delays.Move(s.stop, s.lost, func() {}) // who waits for the stream is woken by the entry
	return feed.Consume(ctx, s, feed.Signals{Wake: s.filled, Lost: s.lost, Cause: s.cause}), nil
}

// register makes the consumer known, so that what it claims has an owner, and finds out at once what would keep it from
// claiming: a user without the right, a server that only reads, and a key of another type. From then on the end of the
// link is seen.
func (s *subscription) register(ctx context.Context) error {
	renewal := s.renewal(ctx)
	// On a stream that is not there, the server says so once it has seen that the command is allowed.
	probe := goredis.NewCmd(ctx, "xreadgroup", "group", groupName, s.id, "count", 1, "streams", noneKey, ">")
	cmds := []goredis.Cmder{renewal, probe}
	streams := streamsOf(s.queues...)
	for _, stream := range streams {
		cmds = append(cmds, goredis.NewStatusCmd(ctx, "type", stream))
	}
	s.b.link.Exec(ctx, cmds...)
	if err := probe.Err(); err != nil && strings.HasPrefix(err.Error(), "NOGROUP") {
		probe.SetErr(nil)
	}
	if err := cmp.Or(link.FirstError(cmds), s.bell.Ping(ctx).Err()); err != nil {
		return err
	}
	for i, cmd := range cmds[2:] {
		if kind := cmd.(*goredis.StatusCmd).Val(); kind != "none" && kind != "stream" {
			return brokers.Refusef("key %s is a %s and not a stream: rename it, or give the broker a database of its own", streams[i], kind)
		}
	}
	return nil
}
