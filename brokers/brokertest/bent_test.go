package brokertest_test

import (
	"context"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/brokertest"
	"taskbench/brokers/memory"
)

// A bug is one thing that is wrong with an otherwise healthy broker. Each field that is set takes the place of the
// operation it is named after; its last argument does what the healthy broker does.
type bug struct {
	clause string // which must catch it
	name   string

	open      func(ctx context.Context, dial memory.Dial) (brokers.Broker, error)
	publish   func(ctx context.Context, m brokers.Message, next publishFunc) error
	batch     func(ctx context.Context, ms []brokers.Message, next batchFunc) []error
	consume   func(ctx context.Context, queues []string, prefetch int, next consumeFunc) (brokers.Consumer, error)
	raise     func(n int, next func(int) error) error   // SetPrefetch
	see       func(d brokers.Delivery) brokers.Delivery // a delivery on its way out
	settle    func(ctx context.Context, how settling, d brokers.Delivery) error
	depth     func(ready, unacked int) (int, int)
	purge     func(n int) int
	close     func(next func() error) error
	route     func(ctx context.Context, e brokers.Exchange, key string, m brokers.Message, next routeFunc) error
	bind      func(ctx context.Context, b brokers.Binding, next bindFunc) error
	subscribe func(ctx context.Context, b brokers.Binding, next subscribeFunc) (<-chan brokers.Message, error)
	delay     func(ctx context.Context, m brokers.Message, until time.Time, next delayFunc) error
	hurt      func(r *rig, s *brokertest.Subject) // bends the subject's hooks
}

type (
	publishFunc func(ctx context.Context, m brokers.Message) error
	batchFunc   func(ctx context.Context, ms []brokers.Message) []error
	consumeFunc func(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error)
)

// A settling is what a reader wants to become of a delivery.
type settling int

const (
	ack settling = iota
	giveBack
	reject
)

func (s settling) carryOut(ctx context.Context, d brokers.Delivery) error {
	if s == ack {
		return d.Ack(ctx)
	}
	return d.Nack(ctx, s == giveBack)
}

// whole is a broker with all the optional powers.
type whole interface {
	brokers.Broker
	brokers.Inspector
	brokers.Purger
	brokers.Batcher
	brokers.Exchanger
	brokers.Delayer
}

// A bent broker is a healthy one with a bug.
type bent struct {
	broker whole
	bug    bug
}

func (b *bent) Publish(ctx context.Context, m brokers.Message) error {
	if b.bug.publish == nil {
		return b.broker.Publish(ctx, m)
	}
	return b.bug.publish(ctx, m, b.broker.Publish)
}

func (b *bent) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	if b.bug.batch == nil {
		return b.broker.PublishBatch(ctx, ms)
	}
	return b.bug.batch(ctx, ms, b.broker.PublishBatch)
}

func (b *bent) Depth(ctx context.Context, queue string) (int, int, error) {
	ready, unacked, err := b.broker.Depth(ctx, queue)
	if b.bug.depth != nil {
		ready, unacked = b.bug.depth(ready, unacked)
	}
	return ready, unacked, err
}

func (b *bent) Purge(ctx context.Context, queue string) (int, error) {
	n, err := b.broker.Purge(ctx, queue)
	if b.bug.purge != nil {
		n = b.bug.purge(n)
	}
	return n, err
}

func (b *bent) Close() error {
	if b.bug.close == nil {
		return b.broker.Close()
	}
	return b.bug.close(b.broker.Close)
}

func (b *bent) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	next := b.broker.Consume
	if b.bug.see != nil || b.bug.settle != nil || b.bug.raise != nil {
		next = b.consume
	}
	if b.bug.consume == nil {
		return next(ctx, queues, prefetch)
	}
	return b.bug.consume(ctx, queues, prefetch, next)
}

func (b *bent) consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	c, err := b.broker.Consume(ctx, queues, prefetch)
	if err != nil {
		return nil, err
	}
	return passOn(ctx, c, b.bug), nil
}

// A passing consumer hands on what another delivers, bent.
type passing struct {
	brokers.Consumer
	out chan brokers.Delivery
	bug bug
}

func passOn(ctx context.Context, c brokers.Consumer, b bug) *passing {
	p := &passing{Consumer: c, out: make(chan brokers.Delivery), bug: b}
	go func() {
		defer close(p.out)
		for {
			select {
			case d, open := <-c.Deliveries():
				if !open || !p.pass(ctx, d) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return p
}

// pass hands on one delivery; it is false when ctx ended first.
func (p *passing) pass(ctx context.Context, d brokers.Delivery) bool {
	var bent brokers.Delivery = &passed{Delivery: d, bug: p.bug}
	if p.bug.see != nil {
		bent = p.bug.see(bent)
	}
	if bent == nil {
		return true
	}
	select {
	case p.out <- bent:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *passing) Deliveries() <-chan brokers.Delivery { return p.out }

func (p *passing) SetPrefetch(n int) error {
	if p.bug.raise == nil {
		return p.Consumer.SetPrefetch(n)
	}
	return p.bug.raise(n, p.Consumer.SetPrefetch)
}

// A passed delivery may tell lies about its message and its past, and settle wrongly.
type passed struct {
	brokers.Delivery
	bug     bug
	message *brokers.Message
	flag    *bool
	times   *int
}

func (p *passed) Message() brokers.Message {
	if p.message != nil {
		return *p.message
	}
	return p.Delivery.Message()
}

func (p *passed) Redelivered() bool {
	if p.flag != nil {
		return *p.flag
	}
	return p.Delivery.Redelivered()
}

func (p *passed) Deliveries() int {
	if p.times != nil {
		return *p.times
	}
	c, counts := p.Delivery.(brokers.Counted)
	if !counts {
		return 0
	}
	return c.Deliveries()
}

func (p *passed) Ack(ctx context.Context) error { return p.settle(ctx, ack) }

func (p *passed) Nack(ctx context.Context, requeue bool) error {
	if requeue {
		return p.settle(ctx, giveBack)
	}
	return p.settle(ctx, reject)
}

func (p *passed) settle(ctx context.Context, how settling) error {
	if p.bug.settle == nil {
		return how.carryOut(ctx, p.Delivery)
	}
	return p.bug.settle(ctx, how, p.Delivery)
}

// mangled returns a delivery whose message has been changed.
func mangled(d brokers.Delivery, change func(m *brokers.Message)) brokers.Delivery {
	p := d.(*passed)
	m := p.Message()
	change(&m)
	p.message = &m
	return p
}

func times(d brokers.Delivery, n int) brokers.Delivery {
	p := d.(*passed)
	p.times = &n
	return p
}

func flagged(d brokers.Delivery, flag bool) brokers.Delivery {
	p := d.(*passed)
	p.flag = &flag
	return p
}
