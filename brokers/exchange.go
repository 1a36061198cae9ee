package brokers

import (
	"context"
	"strings"
	"time"
)

// An ExchangeKind is how an exchange chooses among the queues that are bound to it, in AMQP's words.
type ExchangeKind string

// The kinds: Direct by equal keys, Topic by a pattern of words with * (one) and # (any number), Fanout to all.
const (
	Direct ExchangeKind = "direct"
	Topic  ExchangeKind = "topic"
	Fanout ExchangeKind = "fanout"
)

// An Exchange is a place to publish to that keeps nothing itself: a message goes to every queue that is bound with
// a fitting key, and nowhere when there is none. Whoever names an exchange declares it, so all must say the same.
type Exchange struct {
	Name    string
	Kind    ExchangeKind
	Durable bool
}

// A Binding is a queue that gets what is published to an exchange under keys that fit Key.
type Binding struct {
	Exchange Exchange
	Key      string
	Queue    string

	// TTL is how long a message may wait in the queue, and Expires how long the queue may be without a consumer;
	// 0 is for ever. Drivers whose servers know neither ignore them. Celery's are 5 minutes and 10 seconds for remote
	// control and its replies, 5 seconds and a minute for events. RabbitMQ refuses a queue that exists with others.
	TTL     time.Duration
	Expires time.Duration
}

// Fits tells whether an exchange of this kind puts a message of the key into a queue that is bound with the pattern.
func (k ExchangeKind) Fits(pattern, key string) bool {
	switch k {
	case Direct:
		return pattern == key
	case Topic:
		return fits(words(pattern), words(key))
	}
	return true
}

func words(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ".")
}

// fits takes time proportional to the product of the lengths, whatever the pattern is.
func fits(pattern, words []string) bool {
	reached := make([]bool, len(words)+1) // whether the pattern so far can have taken so many words
	reached[0] = true
	for _, p := range pattern {
		if p == "#" {
			for i := 1; i <= len(words); i++ {
				reached[i] = reached[i] || reached[i-1]
			}
			continue
		}
		for i := len(words); i > 0; i-- {
			reached[i] = reached[i-1] && (p == "*" || p == words[i-1])
		}
		reached[0] = false
	}
	return reached[len(words)]
}

// An Exchanger is a Broker with exchanges as Celery's clients and workers use them for remote control, replies and
// events, and for queues with bindings of their own. Brokers that have none do without remote control and events;
// those that have them promise Exchanges.
type Exchanger interface {
	// Route publishes to an exchange. Nil means that the server has taken the message, not that anybody gets it.
	// Errors are as with Publish. The message's Queue is ignored.
	Route(ctx context.Context, e Exchange, key string, m Message) error

	// Bind declares a lasting queue and binds it. Doing so again changes nothing. Where fanouts reach only those who
	// listen, as in Redis, binding a lasting queue to one is a Definite error.
	Bind(ctx context.Context, b Binding) error

	// Subscribe declares a queue that lives as long as the subscription, binds it, and takes what comes: nothing
	// is acknowledged, and what comes while nobody listens is lost. The channel is closed when ctx ends, when the
	// Broker is closed, and when the connection is lost; where the connection is alive, queue and binding are gone by
	// then. A link that dies silently counts as lost within ten seconds. Once Subscribe has returned, what is routed
	// is not missed. A slow reader may miss messages where the server itself does not wait for readers: those beyond
	// a thousand that wait. Queue may be empty where the kind is Fanout or Topic: the driver then makes a name up.
	Subscribe(ctx context.Context, b Binding) (<-chan Message, error)
}
