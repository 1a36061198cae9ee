package brokers

import "context"

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
}

// An Exchanger is a Broker with exchanges as Celery's clients and workers use them for remote control, replies and
// events, and for queues with bindings of their own. Brokers that have none do without remote control and events.
type Exchanger interface {
	// Route publishes to an exchange. Nil means that the server has taken the message, not that anybody gets it.
	// Errors are as with Publish. The message's Queue is ignored.
	Route(ctx context.Context, e Exchange, key string, m Message) error

	// Bind declares a lasting queue and binds it. Doing so again changes nothing.
	Bind(ctx context.Context, b Binding) error

	// Subscribe declares a queue that lives as long as the subscription, binds it, and takes what comes: nothing
	// is acknowledged, and what comes while nobody listens is lost. The channel is closed when ctx ends, and when
	// the connection is lost. Once Subscribe has returned, what is routed is not missed. A slow reader may miss
	// messages where the server itself does not wait for readers. Queue may be empty where the kind is Fanout or
	// Topic: the driver then makes a name up.
	Subscribe(ctx context.Context, b Binding) (<-chan Message, error)
}
