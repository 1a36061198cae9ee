package stream

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/redis/link"
	"taskbench/brokers/redis/outbox"
)

func pack(m brokers.Message) (outbox.Parcel, error) {
	value, err := envelope.Append(nil, m)
	return outbox.Parcel{Queue: m.Queue, Key: streamOf(m.Queue, m.Priority), Value: value}, err
}

// add is the one command of a publish: who waits for the stream is woken by it.
func add(ctx context.Context, stream string, value []byte) goredis.Cmder {
	return goredis.NewStringCmd(ctx, "xadd", stream, "*", field, value)
}

// send adds an entry for each message.
func (b *broker) send(ps []outbox.Parcel) []error {
	ctx := context.Background()
	cmds := make([]goredis.Cmder, len(ps))
	for i, p := range ps {
		cmds[i] = add(ctx, p.Key, p.Value)
	}
	b.link.Commit(ctx, cmds...)
	errs := make([]error, len(ps))
	for i, cmd := range cmds {
		errs[i] = link.Judge(cmd.Err())
	}
	return errs
}
