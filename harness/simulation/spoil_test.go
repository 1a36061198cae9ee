package simulation

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
)

// brokenLink does as its functions say, where there are any.
type brokenLink struct {
	Link
	publish func(context.Context, brokers.Message) error
	delay   func(context.Context, brokers.Message, time.Time) error
	widen   func(prefetch int) int
	deliver func(brokers.Delivery) brokers.Delivery // nil: it is not handed out
	lose    func()
}

func (l *brokenLink) Publish(ctx context.Context, m brokers.Message) error {
	if l.publish != nil {
		return l.publish(ctx, m)
	}
	return l.Link.Publish(ctx, m)
}

func (l *brokenLink) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if l.delay != nil {
		return l.delay(ctx, m, until)
	}
	return l.Link.Delay(ctx, m, until)
}

func (l *brokenLink) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if l.widen != nil {
		prefetch = l.widen(prefetch)
	}
	c, err := l.Link.Consume(ctx, queues, prefetch)
	if err != nil || l.deliver == nil {
		return c, err
	}
	return tap(ctx, c, l.deliver), nil
}

func (l *brokenLink) Break() {
	if l.lose != nil {
		l.lose()
	}
	l.Link.Break()
}

// tapped is a consumer whose deliveries pass through a function.
type tapped struct {
	brokers.Consumer
	out chan brokers.Delivery
}

func tap(ctx context.Context, c brokers.Consumer, through func(brokers.Delivery) brokers.Delivery) brokers.Consumer {
	t := tapped{c, make(chan brokers.Delivery)}
	go func() {
		defer close(t.out)
		for d := range c.Deliveries() {
			if d = through(d); d == nil {
				continue
			}
			select {
			case t.out <- d:
			case <-ctx.Done():
				_ = d.Nack(context.WithoutCancel(ctx), true) // the connection is lost, if it fails
			}
		}
	}()
	return t
}

func (t tapped) Deliveries() <-chan brokers.Delivery { return t.out }

// bent is a delivery that does as its functions say, where there are any.
type bent struct {
	brokers.Delivery
	message     func() brokers.Message
	redelivered func() bool
	ack         func(context.Context) error
	nack        func(context.Context, bool) error
}

func (d bent) Message() brokers.Message {
	if d.message != nil {
		return d.message()
	}
	return d.Delivery.Message()
}

func (d bent) Redelivered() bool {
	if d.redelivered != nil {
		return d.redelivered()
	}
	return d.Delivery.Redelivered()
}

func (d bent) Ack(ctx context.Context) error {
	if d.ack != nil {
		return d.ack(ctx)
	}
	return d.Delivery.Ack(ctx)
}

func (d bent) Nack(ctx context.Context, requeue bool) error {
	if d.nack != nil {
		return d.nack(ctx, requeue)
	}
	return d.Delivery.Nack(ctx, requeue)
}

// broker plants a bug in every connection, on the broker's side.
func broker(spoil func(node string, l *brokenLink)) func() Seams {
	return func() Seams {
		return Seams{Broker: func(node string, l Link) Link {
			b := &brokenLink{Link: l}
			spoil(node, b)
			return b
		}}
	}
}

// delivering plants a bug in every delivery, on the broker's side.
func delivering(spoil func(l *brokenLink, d brokers.Delivery) brokers.Delivery) func() Seams {
	return broker(func(_ string, l *brokenLink) {
		l.deliver = func(d brokers.Delivery) brokers.Delivery { return spoil(l, d) }
	})
}

// atWorkers plants a bug in every connection of the workers, on their side.
func atWorkers(spoil func(l *brokenLink)) func() Seams {
	return func() Seams {
		return Seams{Worker: func(c brokers.Broker) brokers.Broker {
			b := &brokenLink{Link: onWorkersSide{c.(*conn)}}
			spoil(b)
			return b
		}}
	}
}

type onWorkersSide struct{ *conn }

func (s onWorkersSide) Break() { s.breakOff() }

func rules(change func(*memory.Rules)) func() Seams {
	return func() Seams {
		return Seams{Rules: func(r memory.Rules) memory.Rules { change(&r); return r }}
	}
}
