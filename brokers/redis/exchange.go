package redis

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
)

// eventExchange is the one that Celery declares as a topic on other brokers and as a fanout here.
const eventExchange = "celeryev"

// broadcast tells whether the messages of an exchange go through publish and subscribe instead of lists.
func broadcast(e brokers.Exchange) bool {
	return e.Kind == brokers.Fanout || e.Kind == brokers.Topic && e.Name == eventExchange
}

// broadcastChannel is where kombu publishes to a fanout. The database's number stands in it because channels are
// shared by all databases.
func broadcastChannel(db int, exchange, key string) string {
	if key != "" {
		key = "/" + key
	}
	return fmt.Sprintf("/%d.%s%s", db, exchange, key)
}

// Route implements brokers.Exchanger. A message for several queues reaches all or none.
func (b *broker) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	value, err := kombu.Encode(m, e.Name, key)
	if err != nil {
		return err
	}
	if b.isClosed() {
		return fmt.Errorf("route to exchange %s: %w", e.Name, brokers.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return brokers.Refusef("route to exchange %s: %w", e.Name, err)
	}
	err = brokers.Within(ctx, func() error {
		if broadcast(e) {
			return b.rdb.Publish(ctx, broadcastChannel(b.db, e.Name, key), value).Err()
		}
		queues, err := b.queuesFor(ctx, e, key)
		if err != nil || len(queues) == 0 {
			return brokers.Refuse(err) // only asked
		}
		return b.spread(ctx, queues, m.Priority, value)
	})
	return judgef(err, "route to exchange %s", e.Name)
}

// spread puts an element on the lists of several queues, and wakes who waits for them.
func (b *broker) spread(ctx context.Context, queues []string, priority uint8, value []byte) error {
	_, err := b.rdb.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		for _, q := range queues {
			p.LPush(ctx, listOf(q, priority), value)
			p.Publish(ctx, wakeChannel(b.db, q), "")
		}
		return nil
	})
	return err
}

// queuesFor finds the queues that kombu's set of bindings names for a key. The exchange without a name has every queue
// under its own name.
func (b *broker) queuesFor(ctx context.Context, e brokers.Exchange, key string) ([]string, error) {
	if e.Name == "" {
		return []string{key}, nil
	}
	members, err := b.rdb.SMembers(ctx, bindings+e.Name).Result()
	if err != nil {
		return nil, err
	}
	return b.choose(e.Kind, members, key), nil
}

// choose names each queue once.
func (b *broker) choose(kind brokers.ExchangeKind, members []string, key string) (queues []string) {
	for _, member := range members {
		parts := strings.Split(member, separator)
		if len(parts) == 3 && !slices.Contains(queues, parts[2]) && b.fits(kind, parts[0], parts[1], key) {
			queues = append(queues, parts[2])
		}
	}
	return queues
}

// fits decides as kombu's publishers do: by the pattern in the set, which differs from AMQP's meaning of the key.
func (b *broker) fits(kind brokers.ExchangeKind, bound, pattern, key string) bool {
	if kind != brokers.Topic || pattern == "" {
		return kind.Fits(bound, key)
	}
	known, ok := b.patterns.Load(pattern)
	if !ok {
		compiled, err := regexp.Compile(pattern)
		if err != nil { // Python's dialect has more than ours
			return kind.Fits(bound, key)
		}
		known, _ = b.patterns.LoadOrStore(pattern, compiled)
	}
	return known.(*regexp.Regexp).MatchString(key)
}

// topicPattern is the regular expression that kombu makes of a topic's key, and that its publishers match against.
// Like kombu's it does not quote: a key is made of words.
func topicPattern(key string) string {
	words := strings.Split(key, ".")
	for i, w := range words {
		switch w {
		case "*":
			words[i] = `.*?[^\.]`
		case "#":
			words[i] = `.*?`
		}
	}
	return "^" + strings.Join(words, `\.`) + "$"
}

// member is how kombu writes a binding into the set of its exchange.
func member(b brokers.Binding) string {
	pattern := ""
	if b.Exchange.Kind == brokers.Topic {
		pattern = topicPattern(b.Key)
	}
	return b.Key + separator + pattern + separator + b.Queue
}

// Bind implements brokers.Exchanger. A list needs no declaring.
func (b *broker) Bind(ctx context.Context, bind brokers.Binding) error {
	if broadcast(bind.Exchange) {
		return brokers.Refusef("bind queue %s to exchange %s: in redis what is sent to a fanout reaches only who listens; use a direct or topic exchange",
			bind.Queue, bind.Exchange.Name)
	}
	if b.isClosed() {
		return fmt.Errorf("bind queue %s to exchange %s: %w", bind.Queue, bind.Exchange.Name, brokers.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return brokers.Refusef("bind queue %s to exchange %s: %w", bind.Queue, bind.Exchange.Name, err)
	}
	err := brokers.Within(ctx, func() error { return b.rdb.SAdd(ctx, bindings+bind.Exchange.Name, member(bind)).Err() })
	return judgef(err, "bind queue %s to exchange %s", bind.Queue, bind.Exchange.Name)
}
