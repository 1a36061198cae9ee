package nats

import (
	"context"
	"fmt"
	"strings"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"taskbench/brokers"
)

// Depth implements brokers.Inspector.
func (b *broker) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if ready, unacked, err = b.count(ctx, queueOf(queue)); err != nil {
		return 0, 0, fmt.Errorf("count queue %s in nats: %w", queue, err)
	}
	return ready, unacked, nil
}

func (b *broker) count(ctx context.Context, s stream) (ready, unacked int, err error) {
	l, err := b.usable(ctx)
	if err != nil {
		return 0, 0, err
	}
	var consumer jetstream.ConsumerInfo
	err = l.api(ctx, "CONSUMER.INFO."+s.name+"."+consumerName, nil, &consumer)
	if err != nil && !isCode(err, codeStreamNotFound) && !isCode(err, codeConsumerNotFound) {
		return 0, 0, err
	}
	var all jetstream.StreamInfo
	err = l.api(ctx, "STREAM.INFO."+s.name, nil, &all)
	if isCode(err, codeStreamNotFound) {
		return 0, 0, nil
	}
	// Two questions are not one moment: what was acknowledged in between must not make a count negative.
	unacked = min(consumer.NumAckPending, int(all.State.Msgs))
	return int(all.State.Msgs) - unacked, unacked, err
}

// gulp is how many messages a purge takes at a time.
const gulp = 256

// Purge implements brokers.Purger: it takes what is ready, and acknowledges it, since JetStream's own purge would remove
// what workers hold, too.
func (b *broker) Purge(ctx context.Context, queue string) (int, error) {
	n, err := b.purge(ctx, queueOf(queue))
	if err != nil {
		return n, fmt.Errorf("purge queue %s in nats: %w", queue, err)
	}
	return n, nil
}

func (b *broker) purge(ctx context.Context, s stream) (n int, err error) {
	if err := fits(strings.TrimPrefix(s.name, queueStream)); err != nil {
		return 0, err
	}
	l, err := b.usable(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := b.declare(ctx, l, s, true); err != nil {
		return 0, err
	}
	in := make(chan *client.Msg, gulp+8) // what one pull brings, and what the server says of it
	t, err := newTap(l, s, func(m *client.Msg) { in <- m })
	if err != nil {
		return 0, err
	}
	defer func() {
		t.close()
		t.await()
		for len(in) > 0 {
			if m := <-in; strings.HasPrefix(m.Subject, queueSubject) {
				_ = m.Respond(nak) // else it comes back when its lease ends
			}
		}
	}()
	for {
		questions, more, err := t.gulp(ctx, in)
		for _, q := range questions {
			if _, failed := l.await(ctx, q); failed != nil {
				return n, failed
			}
			n++
		}
		if err != nil || !more {
			return n, err
		}
	}
}

// gulp acknowledges what one pull brings at once; more tells that there may be more.
func (t *tap) gulp(ctx context.Context, in <-chan *client.Msg) (acks []*question, more bool, err error) {
	if err := t.pull(gulp, false); err != nil {
		return nil, false, err
	}
	for t.left > 0 {
		select {
		case m := <-in:
			status := t.status(m)
			if status != "" {
				continue
			}
			q, err := t.link.send(m.Reply, nil, ack)
			if err != nil {
				return acks, false, err
			}
			acks, more = append(acks, q), t.left == 0
		case <-ctx.Done():
			return acks, false, ctx.Err()
		case <-t.link.dead:
			return acks, false, t.link.why()
		}
	}
	return acks, more, nil
}

var (
	_ brokers.Inspector = (*broker)(nil)
	_ brokers.Purger    = (*broker)(nil)
	_ brokers.Batcher   = (*broker)(nil)
	_ brokers.Delayer   = (*broker)(nil)
	_ brokers.Exchanger = (*broker)(nil)
)
