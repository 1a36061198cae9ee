// Package event is Celery's monitoring: a Sender tells what a worker and its tasks are doing, a Receiver hears
// what all workers tell, Celery's own among them, and a State is the picture that comes of it.
//
// Events are best effort. A Sender never holds up the work that it tells of: it drops the oldest events when it
// cannot keep up, and counts them. Worker events (online, heartbeat, offline) are always sent, task events only
// while they are enabled.
package event

import (
	"context"
	"sync/atomic"

	"taskbench/brokers"
)

// Exchange is where events are published. On Redis it is a fanout exchange to Celery and a topic exchange to us,
// and the same channel to both.
var Exchange = brokers.Exchange{Name: "celeryev", Kind: brokers.Topic, Durable: true}

// A Publisher is where a Sender's events go. Every brokers.Exchanger is one.
type Publisher interface {
	Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error
}

// A Subscriber is where a Receiver's events come from. Every brokers.Exchanger is one.
type Subscriber interface {
	Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error)
}

// A Clock is a Lamport clock: it orders the events of a cluster whatever the wall clocks of its hosts say. The zero
// value is ready; one clock serves all senders and receivers of a process.
type Clock struct{ value atomic.Int64 }

// Forward counts a message that is sent and returns the time that it carries.
func (c *Clock) Forward() int64 { return c.value.Add(1) }

// Adjust counts a message that was received and carried the time other; it returns the clock's new time, which is
// beyond both.
func (c *Clock) Adjust(other int64) int64 {
	for {
		have := c.value.Load()
		next := max(have, min(other, farthest)) + 1
		if c.value.CompareAndSwap(have, next) {
			return next
		}
	}
}

// Value is the clock's time.
func (c *Clock) Value() int64 { return c.value.Load() }

// farthest keeps a clock from being set to where it would soon overflow by whoever can publish: what JSON numbers
// hold exactly, and more messages than a cluster ever sends.
const farthest = 1 << 53
