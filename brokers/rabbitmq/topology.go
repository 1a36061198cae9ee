package rabbitmq

import (
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// topology remembers which queues were declared over one connection.
type topology struct {
	conn *amqp.Connection
	args amqp.Table // of every queue: its type

	mu    sync.Mutex
	known map[string]bool
}

func newTopology(c *amqp.Connection, args amqp.Table) *topology {
	return &topology{conn: c, args: args, known: map[string]bool{}}
}

// declare makes sure of a queue, with flags, exchange and binding exactly as Celery declares them: the server refuses
// a queue that exists with other ones. It uses a channel of its own, because a refusal ends it.
func (t *topology) declare(queue string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known[queue] {
		return nil
	}
	ch, err := t.conn.Channel()
	if err == nil {
		defer func() { _ = ch.Close() }() // a refusal has closed it
		err = declare(ch, queue, t.args)
	}
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		err = fmt.Errorf("%w; it was declared otherwise: remove it, or use the variant that it was made by", err)
	}
	if err != nil {
		return brokers.Refusef("declare queue %s: %w", queue, err)
	}
	t.known[queue] = true
	return nil
}

func declare(ch *amqp.Channel, queue string, args amqp.Table) error {
	if err := ch.ExchangeDeclare(queue, amqp.ExchangeDirect, true, false, false, false, nil); err != nil {
		return err
	}
	if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
		return err
	}
	return ch.QueueBind(queue, queue, queue, false, nil)
}

// forget lets a queue that has vanished be declared again.
func (t *topology) forget(queue string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, queue)
}
