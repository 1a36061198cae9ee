package rabbitmq

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

// waiting is how many messages a slow reader may leave waiting before more are dropped: the server does not wait for
// who acknowledges nothing, and the library would keep all of them. What comes by a direct exchange is not dropped:
// it was asked for, as replies and results are, so that there is a bound to it, and each is missed.
const waiting = 1000

// Subscribe implements brokers.Exchanger. The subscription is a channel of its own; its queue, which is deleted with
// its last consumer, is neither durable nor exclusive, as Celery declares it.
func (b *broker) Subscribe(ctx context.Context, bind brokers.Binding) (<-chan brokers.Message, error) {
	if bind.Queue == "" {
		if bind.Exchange.Kind == brokers.Direct {
			return nil, brokers.Refusef("subscribe to exchange %s: no queue was named", bind.Exchange.Name)
		}
		bind.Queue = bind.Exchange.Name + "." + identity()
	}
	t, err := b.consumes.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s: %w", bind.Exchange.Name, err)
	}
	started := make(chan listener, 1)
	go func() { started <- t.listen(bind) }()
	var l listener
	select {
	case l = <-started:
	case <-ctx.Done():
		go func() {
			if l := <-started; l.err == nil {
				l.close()
			}
		}()
		return nil, brokers.Refusef("subscribe to exchange %s: %w", bind.Exchange.Name, ctx.Err())
	}
	if l.err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s: %w", bind.Exchange.Name, l.err)
	}
	out := make(chan brokers.Message, waiting)
	go l.run(ctx, bind, out)
	return out, nil
}

// A listener is a consumer that acknowledges nothing, or why there is none.
type listener struct {
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	ended      <-chan string // told when the server cancels the consumer
	err        error
}

// consumerTag is the only one on its channel.
const consumerTag = "listen"

func (t *topology) listen(bind brokers.Binding) (l listener) {
	if l.err = t.exchange(bind.Exchange); l.err != nil {
		return l
	}
	if l.channel, l.err = t.conn.Channel(); l.err != nil {
		l.err = fmt.Errorf("open a channel: %w", l.err)
		return l
	}
	l.ended = l.channel.NotifyCancel(make(chan string, 1))
	_, l.err = l.channel.QueueDeclare(bind.Queue, false, true, false, false, arguments(bind, nil))
	if l.err == nil {
		l.err = l.channel.QueueBind(bind.Queue, bind.Key, bind.Exchange.Name, false, nil)
	}
	if l.err == nil {
		l.deliveries, l.err = l.channel.Consume(bind.Queue, consumerTag, true, false, false, false, nil)
	}
	if l.err != nil {
		_ = l.channel.Close() // a refusal has closed it
		l.err = brokers.Refusef("consume queue %s: %w", bind.Queue, otherwise(l.err))
	}
	return l
}

// run hands on what comes, and waits for the reader only where nothing may be dropped.
func (l listener) run(ctx context.Context, bind brokers.Binding, out chan<- brokers.Message) {
	defer close(out)
	defer l.close()
	for {
		select {
		case d, open := <-l.deliveries:
			if !open {
				return
			}
			m := incoming(bind.Queue, &d)
			select {
			case out <- m:
				continue
			default:
			}
			if bind.Exchange.Kind != brokers.Direct {
				continue
			}
			select {
			case out <- m:
			case <-ctx.Done():
				return
			}
		case <-l.ended:
			return
		case <-ctx.Done():
			return
		}
	}
}

// close returns when the server has deleted the queue, or the link is lost.
func (l listener) close() {
	go func() { // so that the library can hand over what was on its way
		for range l.deliveries {
		}
	}()
	_ = l.channel.Cancel(consumerTag, false) // the channel's end does the same
	_ = l.channel.Close()                    // it may be closed already
}
