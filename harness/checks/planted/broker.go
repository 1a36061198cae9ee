package planted

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/brokers"
)

// A plant is one bug at work, over all connections to the broker.
type plant struct {
	mutant Mutant

	mu     sync.Mutex
	rng    *rand.Rand
	hits   map[string]bool // the tasks that the bug struck: each once
	count  int
	seen   map[string]int // deliveries that were looked at, by task
	frozen time.Time      // nothing is handed out before
	hungry time.Time      // nothing reaches the starved queue before
	cut    bool           // links were cut once
	forget int            // of the deliveries to come so many are dropped
	loaded time.Time      // when the load was first seen
	held   *held

	published int
}

// held is a message that is handed out only when some that were published later have been settled.
type held struct {
	message brokers.Message
	later   map[string]bool // published since
	settled int             // of those
}

func newPlant(m Mutant, seed uint64) *plant {
	return &plant{mutant: m, rng: rand.New(rand.NewPCG(seed, 0x706c616e74)), hits: map[string]bool{}, seen: map[string]int{}}
}

// struck is how often the bug did its harm.
func (p *plant) struck() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// strikes decides whether the bug hits the task, and remembers that it did: each task is hit once at most.
func (p *plant) strikes(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hits[id] || p.rng.IntN(p.mutant.OneIn) != 0 {
		return false
	}
	p.hits[id] = true
	p.count++
	return true
}

// countable is a broker that can count, as drains need it.
type countable interface {
	brokers.Broker
	brokers.Inspector
}

// A broker is one connection to the engine, through the plant.
type broker struct {
	countable
	plant *plant
	clock func() time.Time // of the worker whose connection it is
}

// Publish implements brokers.Broker.
func (b *broker) Publish(ctx context.Context, m brokers.Message) error {
	if b.plant.mutant.publish == nil {
		return b.countable.Publish(ctx, m)
	}
	return b.plant.mutant.publish(ctx, b.plant, m, b.countable.Publish)
}

// Consume implements brokers.Broker.
func (b *broker) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	c, err := b.countable.Consume(ctx, queues, prefetch)
	if err != nil {
		return nil, err
	}
	p := &consumer{Consumer: c, broker: b, out: make(chan brokers.Delivery)}
	go p.pass(ctx)
	return p, nil
}

// A consumer hands on what the engine delivers.
type consumer struct {
	brokers.Consumer
	broker *broker
	out    chan brokers.Delivery

	mu  sync.Mutex
	err error
}

var errCut = errors.New("the connection was cut")

func (c *consumer) Deliveries() <-chan brokers.Delivery { return c.out }

func (c *consumer) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return c.Consumer.Err()
}

func (c *consumer) pass(ctx context.Context) {
	defer close(c.out)
	p := c.broker.plant
	for d := range c.Consumer.Deliveries() {
		if !p.wait(ctx) {
			return
		}
		if p.cuts() {
			c.mu.Lock()
			c.err = errCut
			c.mu.Unlock()
			return
		}
		if p.drops(d) {
			_ = d.Ack(ctx) // forgotten either way: at the latest with the engine
			continue
		}
		out := &delivery{Delivery: d, message: d.Message(), broker: c.broker}
		if p.mutant.deliver != nil {
			p.mutant.deliver(ctx, p, out)
		}
		select {
		case c.out <- out:
		case <-ctx.Done():
			return
		}
	}
}

// wait returns once the broker hands something out, or false when ctx ended first.
func (p *plant) wait(ctx context.Context) bool {
	p.mu.Lock()
	// Two consumers may pass the number in one go: neither need see it.
	if p.mutant.StallAt > 0 && len(p.seen) >= p.mutant.StallAt && p.frozen.IsZero() {
		p.frozen = time.Now().Add(p.mutant.Stall)
		p.count++
	}
	left := time.Until(p.frozen)
	p.mu.Unlock()
	if left <= 0 {
		return ctx.Err() == nil
	}
	select {
	case <-time.After(left):
		return true
	case <-ctx.Done():
		return false
	}
}

// starved is the queue of mutant starve.
const starved = "starved"

// starves tells for how long a message is kept from its queue: those of one are from the hundredth message on, once.
func (p *plant) starves(m brokers.Message) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.published++; p.published == 100 {
		p.hungry = time.Now().Add(p.mutant.Stall)
		p.count++
	}
	if m.Queue != starved {
		return 0
	}
	return time.Until(p.hungry)
}

// cuts tells whether the link is cut now, which it is once.
func (p *plant) cuts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mutant.CutAt == 0 || p.cut || len(p.seen) < p.mutant.CutAt {
		return false
	}
	p.cut, p.forget = true, p.mutant.Forgets
	if p.mutant.Stall > 0 {
		p.frozen = time.Now().Add(p.mutant.Stall)
		p.count++
	}
	return true
}

// drops tells whether a delivery that nobody has seen yet is forgotten after a cut.
func (p *plant) drops(d brokers.Delivery) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := d.Message().CorrelationID
	p.seen[id]++
	if p.forget == 0 || p.seen[id] > 1 || d.Redelivered() {
		return false
	}
	p.forget--
	p.count++
	return true
}

// A delivery may carry another message than the engine's.
type delivery struct {
	brokers.Delivery
	message brokers.Message
	broker  *broker
	settled atomic.Bool
}

func (d *delivery) Message() brokers.Message { return d.message }

func (d *delivery) Ack(ctx context.Context) error {
	d.settled.Store(true)
	err := d.Delivery.Ack(ctx)
	if settled := d.broker.plant.mutant.settled; settled != nil && err == nil {
		settled(ctx, d.broker.plant, d)
	}
	return err
}

// rewrite changes the delivery's headers, which are its own then.
func (d *delivery) rewrite(change func(headers map[string]any)) {
	d.message.Headers = maps.Clone(d.message.Headers)
	change(d.message.Headers)
}

// again publishes the delivery's message once more, as it came, after a while.
func (d *delivery) again(ctx context.Context, after time.Duration) {
	m, ctx := d.Delivery.Message(), context.WithoutCancel(ctx)
	time.AfterFunc(after, func() { _ = d.broker.countable.Publish(ctx, m) }) // the engine takes everything while it lives
}

// lapse publishes the delivery's message once more when its holder has had it for so long by the holder's own clock, and
// strikes says so.
func (d *delivery) lapse(ctx context.Context, lease time.Duration, strikes func() bool) {
	since := d.broker.clock()
	go func() {
		look := time.NewTicker(5 * time.Millisecond)
		defer look.Stop()
		for !d.settled.Load() {
			if d.broker.clock().Sub(since) >= lease {
				if strikes() {
					d.again(ctx, 0)
				}
				return
			}
			select {
			case <-look.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}
