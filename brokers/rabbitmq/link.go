package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// A link is one connection and what is set up on it, made when first needed and made anew after a loss. Publishing
// and consuming have one each: in an alarm the server stops reading from connections that publish, and acks must
// still get through.
type link[T any] struct {
	to  *servers
	set func(*amqp.Connection) (T, error) // sets up a new connection
	use func(T) bool                      // whether what is set up can still be used

	turn   chan struct{} // holds one token: who has it may dial
	conn   *amqp.Connection
	thing  T
	failed time.Time
	closed bool
}

// rest is how long after a failed dial the next one may come. Meanwhile callers wait, so that a publisher in a
// loop does not become a flood of connections.
const rest = 50 * time.Millisecond

func newLink[T any](to *servers, set func(*amqp.Connection) (T, error), use func(T) bool) *link[T] {
	return &link[T]{to: to, set: set, use: use, turn: make(chan struct{}, 1)}
}

// get returns what is set up on a living connection. Every error is Definite: nothing was asked of the server but
// to connect.
func (l *link[T]) get(ctx context.Context) (thing T, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return thing, brokers.Refuse(ctx.Err())
	}
	if l.closed {
		return thing, brokers.ErrClosed
	}
	if l.conn != nil {
		if !l.conn.IsClosed() && l.use(l.thing) {
			return l.thing, nil
		}
		hangUp(l.conn)
		l.conn = nil
	}
	pause := time.NewTimer(time.Until(l.failed.Add(rest)))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
		return thing, brokers.Refuse(ctx.Err())
	}
	conn, err := l.to.dial(ctx)
	if err != nil {
		l.failed = time.Now()
		return thing, brokers.Refusef("connect to rabbitmq: %w", err)
	}
	if l.thing, err = l.set(conn); err != nil {
		hangUp(conn)
		l.failed = time.Now()
		return thing, brokers.Refusef("set up a connection to rabbitmq: %w", err)
	}
	l.conn = conn
	return l.thing, nil
}

func (l *link[T]) close() {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	l.closed = true
	if l.conn != nil {
		hangUp(l.conn)
	}
}
