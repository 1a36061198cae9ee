package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// topology remembers which queues were declared over one connection.
type topology struct {
	conn   *amqp.Connection
	layout layout
	births *births

	known sync.Map   // queue, or exchange as it was declared, to true
	turn  sync.Mutex // of who declares
}

func newTopology(c *amqp.Connection, l layout, b *births) *topology {
	return &topology{conn: c, layout: l, births: b}
}

// declare makes sure of a queue, with flags, exchange and binding exactly as Celery declares them: the server refuses
// a queue that exists with other ones.
func (t *topology) declare(queue string) error {
	if _, known := t.known.Load(queue); known {
		return nil
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	if _, known := t.known.Load(queue); known {
		return nil
	}
	missing, args := false, t.layout.arguments(queue)
	if t.layout.kind == "quorum" {
		err := t.ask(func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclarePassive(queue, true, false, false, false, args)
			return err
		})
		missing = absent(err)
	}
	err := t.ask(func(ch *amqp.Channel) error { return declare(ch, queue, args) })
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		hint := "use the variant that it was made by"
		if strings.Contains(refused.Reason, "x-max-priority") {
			hint = "have the URL say its x-max-priority, as in " + form + "?" + maxPriority + "=10"
		}
		err = fmt.Errorf("%w; it was declared otherwise: remove it, or %s", err, hint)
	}
	if err != nil {
		return brokers.Refusef("declare queue %s in rabbitmq: %w", queue, denied(err))
	}
	if missing {
		t.births.note(queue)
	}
	if t.layout.kind == "quorum" && !brokers.IsDeadLetterQueue(queue) {
		if err := t.keepSpent(queue, missing); err != nil {
			return brokers.Refusef("declare in rabbitmq what becomes of messages of %s that come back too often: %w", queue, otherwise(denied(err)))
		}
	}
	t.known.Store(queue, true)
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

// ask does something on a channel of its own, because a refusal ends the channel.
func (t *topology) ask(question func(*amqp.Channel) error) error {
	ch, err := t.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	defer func() { _ = ch.Close() }() // a refusal has closed it
	return question(ch)
}

func absent(err error) bool {
	var refused *amqp.Error
	return errors.As(err, &refused) && refused.Code == amqp.NotFound
}

// births holds back publishing to quorum queues that have just been made. The server writes the name of a new one to
// its disk about half a second later; if it is killed before that, the queue comes back empty, without what it had
// confirmed, and for minutes without a leader (seen on 3.10.8).
type births struct {
	mu sync.Mutex
	at map[string]time.Time
}

const infancy = time.Second

func (b *births) note(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		b.at = map[string]time.Time{}
	}
	b.at[queue] = time.Now()
}

// wait returns when the queue is old enough.
func (b *births) wait(ctx context.Context, queue string) error {
	b.mu.Lock()
	at, young := b.at[queue]
	b.mu.Unlock()
	if !young {
		return nil
	}
	t := time.NewTimer(time.Until(at.Add(infancy)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return brokers.Refusef("queue %s has just been made: %w", queue, ctx.Err())
	}
	b.mu.Lock()
	delete(b.at, queue)
	b.mu.Unlock()
	return nil
}
