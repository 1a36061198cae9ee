// Package brokers is the contract between a task queue's worker or publisher and the server that holds
// its messages. Each folder below it is one broker; package brokertest holds all of them to the contract.
package brokers

import "context"

// A Broker is one open connection (or pool of them) to a queue server. It is safe for concurrent use.
type Broker interface {
	// Publish returns nil once the message is accepted as durably as the variant declares. An error for which
	// Definite is true means that the message was provably not stored; any other error means that nobody knows.
	Publish(ctx context.Context, m Message) error

	// Consume starts taking messages from the queues, at most prefetch of them unsettled at a time (0: no bound
	// but the driver's). Queues that do not exist are declared. When ctx ends, the consumer takes no more, its
	// Deliveries channel is closed, and deliveries in hand may still be settled until Broker.Close.
	Consume(ctx context.Context, queues []string, prefetch int) (Consumer, error)

	// Close drops the connection. Unsettled deliveries go back to the broker, at once or after its own timeout.
	// A second call does nothing and returns nil.
	Close() error
}

// A Consumer is one subscription.
type Consumer interface {
	// Deliveries is closed when the context of Consume ends or the connection is lost; Err then says why.
	// A link that dies silently counts as lost within ten seconds.
	Deliveries() <-chan Delivery

	// SetPrefetch changes the bound on unsettled deliveries; it holds for deliveries still to come.
	SetPrefetch(n int) error

	// Err is nil while deliveries flow and after a context's end, and the cause after a lost connection.
	Err() error
}

// A Delivery is one handing-over of a message to one consumer. It is settled once, by Ack or by Nack;
// settling it again is an error and has no effect.
type Delivery interface {
	Message() Message

	// Redelivered is true when the broker knows that the message was handed out before.
	Redelivered() bool

	// Ack settles the message for good. Nil means that the broker was told; where telling and storing are one
	// exchange (all but AMQP), it means that the broker has stored it.
	Ack(ctx context.Context) error

	// Nack gives the message back: with requeue it will be delivered again, without it is dead-lettered
	// where the variant promises that, and dropped elsewhere.
	Nack(ctx context.Context, requeue bool) error
}

// A Counted delivery knows how often its message was handed out, by the broker's own count, which outlives the workers that
// a message kills.
type Counted interface {
	// Deliveries is the number of times, this one included, or 0 where the broker does not say. A message that came back is
	// at its second one at least; handings-over to consumers that went away before anybody saw the message may count, too.
	Deliveries() int
}

// An Inspector can count. Both counts are the server's own and take in what other clients do.
type Inspector interface {
	// Depth is the number of messages ready in the queue, and of those handed out and not yet settled.
	// Unacked is -1 where the server cannot tell.
	Depth(ctx context.Context, queue string) (ready, unacked int, err error)
}

// A Keeper can count the keys that its server keeps for good: those that nothing removes after a time. A list of messages is one
// key, however long it is, so that they grow in number only where something is left behind.
type Keeper interface {
	Keys(ctx context.Context) (int, error)
}

// A Purger can empty a queue; it returns how many ready messages were removed.
type Purger interface {
	Purge(ctx context.Context, queue string) (int, error)
}

// A Batcher can publish many messages in one exchange. The errors are one for each message, in order,
// each with the meaning that Publish gives it.
type Batcher interface {
	PublishBatch(ctx context.Context, ms []Message) []error
}
