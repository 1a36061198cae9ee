package memory

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"taskbench/brokers"
)

// waiting is how many messages a temporary queue keeps for a slow reader before more are dropped.
const waiting = 1000

// An exchange exists from its first naming on. The engine's lock guards it.
type exchange struct {
	kind  brokers.ExchangeKind
	bound []bound
}

type bound struct {
	key   string
	queue *queue
}

// exchange finds an exchange, or makes it. The lock is held.
func (e *Engine) exchange(x brokers.Exchange) (*exchange, error) {
	known := e.exchanges[x.Name]
	if known == nil {
		known = &exchange{kind: x.Kind}
		e.exchanges[x.Name] = known
	}
	if known.kind != x.Kind {
		return nil, brokers.Refusef("exchange %s is of kind %s and not %s", x.Name, known.kind, x.Kind)
	}
	return known, nil
}

// route stores a message in every queue that is bound with a fitting key, once in each.
func (e *Engine) route(x brokers.Exchange, key string, envelope []byte, priority uint8, expiration time.Duration) error {
	if x.Name == "" { // every queue is bound to it by its name
		return e.publish(key, envelope, priority, expiration)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return errGone
	}
	known, err := e.exchange(x)
	if err != nil {
		return err
	}
	now := time.Now()
	var reached []*queue
	for _, b := range known.bound {
		if !known.kind.Fits(b.key, key) || slices.Contains(reached, b.queue) {
			continue
		}
		reached = append(reached, b.queue)
		if b.queue.listeners > 0 && b.queue.ready >= waiting {
			continue
		}
		it := &item{envelope: envelope, priority: min(priority, priorities-1)}
		for _, d := range []time.Duration{expiration, b.queue.ttl} {
			if d > 0 && (it.expires.IsZero() || now.Add(d).Before(it.expires)) {
				it.expires = now.Add(d)
			}
		}
		e.store(b.queue, it)
	}
	return nil
}

// bind makes the queue and the binding; a temporary queue has one listener more after each call.
func (e *Engine) bind(b brokers.Binding, temporary bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return errGone
	}
	x, err := e.exchange(b.Exchange)
	if err != nil {
		return err
	}
	q := e.queue(b.Queue)
	q.ttl = b.TTL
	if temporary {
		q.listeners++
	}
	if entry := (bound{b.Key, q}); !slices.Contains(x.bound, entry) {
		x.bound = append(x.bound, entry)
	}
	return nil
}

// leave takes one listener from a temporary queue, and removes it with the last.
func (e *Engine) leave(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queues[name]
	if q == nil || q.listeners == 0 {
		return
	}
	if q.listeners--; q.listeners > 0 {
		return
	}
	delete(e.queues, name)
	for _, x := range e.exchanges {
		x.bound = slices.DeleteFunc(x.bound, func(b bound) bool { return b.queue == q })
	}
}

// named gives a subscription's queue a name of its own where it has none.
func named(b brokers.Binding) (brokers.Binding, error) {
	if b.Queue != "" {
		return b, nil
	}
	if b.Exchange.Kind == brokers.Direct {
		return b, brokers.Refusef("subscribe to exchange %s: no queue was named", b.Exchange.Name)
	}
	var unique [16]byte
	rand.Read(unique[:])
	b.Queue = fmt.Sprintf("%s.%x", b.Exchange.Name, unique)
	return b, nil
}

// listen hands on what a consumer of a temporary queue takes, and then leaves the queue.
func listen(ctx context.Context, c brokers.Consumer, leave func()) <-chan brokers.Message {
	out := make(chan brokers.Message)
	go func() {
		defer close(out)
		defer leave()
		for d := range c.Deliveries() {
			if d.Ack(ctx) != nil {
				continue // the consumer ends too
			}
			select {
			case out <- d.Message():
			case <-ctx.Done():
			}
		}
	}()
	return out
}
