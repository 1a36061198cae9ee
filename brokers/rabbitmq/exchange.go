package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// Route implements brokers.Exchanger. It publishes on a connection of its own, which is made at its first use, so that
// an exchange that vanishes, and its channel with it, is nothing to the tasks that are being published.
func (b *broker) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	err := ctx.Err()
	if err != nil {
		return brokers.Refusef("route to exchange %s: %w", e.Name, err)
	}
	p, err := b.routes.get(ctx)
	if err == nil {
		var f *flight
		if f, err = p.route(ctx, e, key, m); err == nil {
			err = f.wait(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("route to exchange %s: %w", e.Name, err)
	}
	return nil
}

// route puts a message on its way to an exchange. It is not mandatory: where nobody is bound, it is dropped.
func (p *publisher) route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) (*flight, error) {
	msg, err := outgoing(m, p.transient)
	if err != nil {
		return nil, err
	}
	if len(key) > 255 || len(e.Name) > 255 {
		return nil, brokers.Refusef("a name of more than 255 bytes does not fit into a frame")
	}
	if err := brokers.Within(ctx, func() error { return p.topology.exchange(e) }); err != nil {
		return nil, brokers.Refuse(err)
	}
	return p.launch(ctx, e.Name, key, false, msg)
}

// exchange makes sure of an exchange. The one without a name is the server's own.
func (t *topology) exchange(e brokers.Exchange) error {
	if _, known := t.known.Load(e); known || e.Name == "" {
		return nil
	}
	t.turn.Lock()
	defer t.turn.Unlock()
	if _, known := t.known.Load(e); known {
		return nil
	}
	err := t.ask(func(ch *amqp.Channel) error {
		return ch.ExchangeDeclare(e.Name, string(e.Kind), e.Durable, false, false, false, nil)
	})
	if err != nil {
		return brokers.Refusef("declare exchange %s: %w", e.Name, otherwise(err))
	}
	t.known.Store(e, true)
	return nil
}

// otherwise explains a refusal whose reason is that the thing exists with other flags or arguments.
func otherwise(err error) error {
	var refused *amqp.Error
	if errors.As(err, &refused) && refused.Code == amqp.PreconditionFailed {
		return fmt.Errorf("%w; it was declared otherwise: remove it, or say the same as who made it", err)
	}
	return err
}

// arguments are those of a binding's queue.
func arguments(b brokers.Binding, more amqp.Table) amqp.Table {
	args := amqp.Table{}
	for name, value := range more {
		args[name] = value
	}
	if b.TTL > 0 {
		args["x-message-ttl"] = milliseconds(b.TTL)
	}
	if b.Expires > 0 {
		args["x-expires"] = milliseconds(b.Expires)
	}
	return args
}

// milliseconds is at most what fits into the integer that py-amqp writes; the server compares values, not their kinds.
func milliseconds(d time.Duration) any {
	ms := (d + time.Millisecond - 1) / time.Millisecond
	if n := int32(ms); time.Duration(n) == ms {
		return n
	}
	return int64(ms)
}

// Bind implements brokers.Exchanger. The queue is declared like those of Consume, with what the binding adds.
func (b *broker) Bind(ctx context.Context, bind brokers.Binding) error {
	t, err := b.consumes.get(ctx)
	if err == nil {
		err = brokers.Within(ctx, func() error { return t.bind(bind) })
	}
	if err != nil {
		return fmt.Errorf("bind queue %s to exchange %s: %w", bind.Queue, bind.Exchange.Name, err)
	}
	return nil
}

func (t *topology) bind(bind brokers.Binding) error {
	if err := t.exchange(bind.Exchange); err != nil {
		return err
	}
	err := t.ask(func(ch *amqp.Channel) error {
		if _, err := ch.QueueDeclare(bind.Queue, true, false, false, false, arguments(bind, t.layout.arguments(bind.Queue))); err != nil {
			return err
		}
		return ch.QueueBind(bind.Queue, bind.Key, bind.Exchange.Name, false, nil)
	})
	if err != nil {
		return brokers.Refuse(otherwise(err))
	}
	return nil
}

// identity is a random UUID. It must differ between processes that know nothing of each other, so it comes from no seed.
func identity() string {
	var u [16]byte
	rand.Read(u[:])
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}
