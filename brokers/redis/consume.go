package redis

import (
	"context"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/redis/lease"
)

// subscription implements lease.Layout on kombu's lists; what it holds are their elements, as they were pushed. Beside those
// of its holder, goroutines have the server tell when lists are not empty, listen for wake-ups, and move what was delayed
// and is due.
type subscription struct {
	*lease.Holder[string]
	b     *broker
	wakes *goredis.PubSub
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if len(queues) == 0 {
		return nil, brokers.Refusef("consume from redis: no queue was named")
	}
	s := &subscription{b: b, wakes: b.link.Client.Subscribe(ctx)} // to nothing as yet, and without a connection
	s.Holder = b.holders.New(s, queues, prefetch)
	if err := b.holders.Enter(ctx, s.Holder, s.register); err != nil {
		go s.unsubscribe() // which waits where a connection is being made
		return nil, err
	}
	go s.listen()
	go b.delays.Move(s.Over(), s.Knock)
	return s.Consume(ctx, s.claim), nil
}

// register makes the consumer known, so that its claims have an owner, and writes the bindings of its queues. Only
// kombu's named exchanges need those, so that a server without memory for them may still be consumed from.
func (s *subscription) register(ctx context.Context) error {
	renewal := s.Renewal(ctx)
	cmds := []goredis.Cmder{renewal}
	for _, q := range s.Queues {
		cmds = append(cmds, bind(ctx, q))
	}
	s.b.link.Exec(ctx, cmds...)
	if err := renewal.Err(); err != nil {
		return err
	}
	return s.subscribe(ctx)
}

// Renewal implements lease.Layout. With the lease it renews the age of what is held.
func (s *subscription) Renewal(ctx context.Context) *goredis.Cmd {
	return renewScript.Call(ctx, []string{consumersKey, indexKey, heldBy(s.ID)}, s.ID, s.b.link.Lease.Milliseconds())
}

// Retirement implements lease.Layout.
func (s *subscription) Retirement() *goredis.Cmd { return retirement(s.ID) }

func retirement(id string) *goredis.Cmd {
	return retireScript.Call(context.Background(), []string{consumersKey, heldBy(id)}, id)
}
