package exchange

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	goredis "github.com/redis/go-redis/v9"

	"taskbench/brokers"
	"taskbench/brokers/kombu"
	"taskbench/brokers/redis/keys"
	"taskbench/brokers/redis/link"
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
func (x *Exchanges) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	value, err := kombu.Encode(m, e.Name, key)
	if err != nil {
		return err
	}
	if x.isEnded() {
		return fmt.Errorf("route to exchange %s: %w", e.Name, brokers.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return brokers.Refusef("route to exchange %s: %w", e.Name, err)
	}
	err = brokers.Within(ctx, func() error {
		if broadcast(e) {
			return x.link.Client.Publish(ctx, broadcastChannel(x.link.DB, e.Name, key), value).Err()
		}
		to, err := x.find(ctx, e, key)
		if err != nil || len(to.lists)+len(to.lasting) == 0 {
			return brokers.Refuse(err) // only asked
		}
		return x.spread(ctx, to, m, value)
	})
	return link.Judgef(err, "route to exchange %s", e.Name)
}

// spread puts a message into several queues, and wakes who waits for them.
func (x *Exchanges) spread(ctx context.Context, to destinations, m brokers.Message, value []byte) error {
	return x.link.Transact(ctx, func(p goredis.Pipeliner) error {
		for _, q := range to.lists {
			p.LPush(ctx, keys.ListOf(q, m.Priority), value)
			p.Publish(ctx, keys.WakeChannel(x.link.DB, q), "")
		}
		for _, q := range to.lasting {
			cmd, err := x.layout.Put(ctx, q, m)
			if err != nil {
				return err
			}
			_ = p.Process(ctx, cmd) // only queues
		}
		return nil
	})
}

// destinations are the queues that a message goes to: those that are kombu's lists, and those of the layout.
type destinations struct{ lists, lasting []string }

// find looks for the queues that are bound with a key that fits. The exchange without a name has every queue under its
// own name.
func (x *Exchanges) find(ctx context.Context, e brokers.Exchange, key string) (to destinations, err error) {
	if e.Name == "" {
		listened := x.layout == nil
		if !listened {
			listened, err = x.link.Client.SIsMember(ctx, keys.Bindings(""), member(ownName(key))).Result()
		}
		if listened {
			return destinations{lists: []string{key}}, err
		}
		return destinations{lasting: []string{key}}, err
	}
	if to.lists, err = x.bound(ctx, keys.Bindings(e.Name), e.Kind, key); err == nil && x.layout != nil {
		to.lasting, err = x.bound(ctx, x.layout.Bindings(e.Name), e.Kind, key)
	}
	return to, err
}

func (x *Exchanges) bound(ctx context.Context, set string, kind brokers.ExchangeKind, key string) ([]string, error) {
	members, err := x.link.Client.SMembers(ctx, set).Result()
	if err != nil {
		return nil, err
	}
	return x.choose(kind, members, key), nil
}

// choose names each queue once.
func (x *Exchanges) choose(kind brokers.ExchangeKind, members []string, key string) (queues []string) {
	for _, member := range members {
		parts := strings.Split(member, keys.Separator)
		if len(parts) == 3 && !slices.Contains(queues, parts[2]) && x.fits(kind, parts[0], parts[1], key) {
			queues = append(queues, parts[2])
		}
	}
	return queues
}

// fits decides as kombu's publishers do: by the pattern in the set, which differs from AMQP's meaning of the key.
func (x *Exchanges) fits(kind brokers.ExchangeKind, bound, pattern, key string) bool {
	if kind != brokers.Topic || pattern == "" {
		return kind.Fits(bound, key)
	}
	known, ok := x.patterns.Load(pattern)
	if !ok {
		compiled, err := regexp.Compile(pattern)
		if err != nil { // Python's dialect has more than ours
			return kind.Fits(bound, key)
		}
		known, _ = x.patterns.LoadOrStore(pattern, compiled)
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
	return keys.Member(b.Key, pattern, b.Queue)
}

// Bind implements brokers.Exchanger. A queue needs no declaring.
func (x *Exchanges) Bind(ctx context.Context, bind brokers.Binding) error {
	if broadcast(bind.Exchange) {
		return brokers.Refusef("bind queue %s to exchange %s: in redis what is sent to a fanout reaches only who listens; use a direct or topic exchange",
			bind.Queue, bind.Exchange.Name)
	}
	if x.isEnded() {
		return fmt.Errorf("bind queue %s to exchange %s: %w", bind.Queue, bind.Exchange.Name, brokers.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return brokers.Refusef("bind queue %s to exchange %s: %w", bind.Queue, bind.Exchange.Name, err)
	}
	set := keys.Bindings(bind.Exchange.Name)
	if x.layout != nil {
		set = x.layout.Bindings(bind.Exchange.Name)
	}
	err := brokers.Within(ctx, func() error { return x.link.Client.SAdd(ctx, set, member(bind)).Err() })
	return link.Judgef(err, "bind queue %s to exchange %s", bind.Queue, bind.Exchange.Name)
}
