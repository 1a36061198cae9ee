package simulation

import (
	"maps"
	"slices"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/memory"
)

// serial is the header that tells stored messages apart, whatever they ask for.
const serial = "x-simulation-serial"

// A custody knows who holds which message, and sees to it that nobody does who may not. It is told of the end of a holding
// before the broker is.
type custody struct {
	rules   memory.Rules
	violate func(format string, args ...any)

	mu   sync.Mutex
	last int64
	held map[int64][]*holding
	seen map[int64]bool
}

// A holding is one message in one consumer's hands.
type holding struct {
	serial   int64
	consumer *consumer
	since    time.Time
	until    time.Time // zero: as long as the rules say
	over     bool
}

// stamp gives a message that is to be stored its number.
func (y *custody) stamp(m brokers.Message) brokers.Message {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.last++
	m.Headers = maps.Clone(m.Headers)
	if m.Headers == nil {
		m.Headers = make(map[string]any)
	}
	m.Headers[serial] = y.last
	return m
}

// take notes that a consumer has been handed a message; nil when it is lost already.
func (y *custody) take(k *consumer, d brokers.Delivery) *holding {
	m := d.Message()
	n, _ := m.Headers[serial].(int64)
	now := time.Now()
	y.mu.Lock()
	defer y.mu.Unlock()
	k.conn.mu.Lock()
	broken := k.conn.broken
	k.conn.mu.Unlock()
	if broken {
		return nil
	}
	for _, other := range y.held[n] {
		if y.inForce(other, now) {
			y.violate("message %d (task %v) is handed to %s, and %s has held it since %v", n, m.Headers["id"], k.conn.name, other.consumer.conn.name, now.Sub(other.since))
		}
	}
	if y.seen[n] && !d.Redelivered() {
		y.violate("message %d (task %v) is handed to %s again, and not flagged as redelivered", n, m.Headers["id"], k.conn.name)
	}
	y.seen[n] = true
	h := &holding{serial: n, consumer: k, since: now}
	if now.Equal(k.known) {
		h.since = k.born
	}
	y.held[n] = append(y.held[n], h)
	k.held = slices.DeleteFunc(k.held, func(h *holding) bool { return !y.inForce(h, now) })
	k.held = append(k.held, h)
	switch n := len(k.held); {
	case n <= k.bound:
		k.waning = 0
	case n > max(k.bound, k.waning):
		y.violate("%s holds %d messages, and its prefetch is %d", k.conn.name, n, k.bound)
	}
	return h
}

// inForce tells whether the holder may believe that the message is still its own.
func (y *custody) inForce(h *holding, now time.Time) bool {
	past := func(since time.Time, d time.Duration) bool { return d > 0 && !now.Before(since.Add(d)) }
	switch {
	case h.over, !h.until.IsZero() && !now.Before(h.until), past(h.since, y.rules.Visibility):
		return false
	case y.rules.ConsumerTimeout == 0:
		return true
	}
	for _, beside := range h.consumer.held { // one that is too old ends all
		if !beside.over && past(beside.since, y.rules.ConsumerTimeout) {
			return false
		}
	}
	return true
}

func (y *custody) settle(h *holding) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.end(h)
}

func (y *custody) end(h *holding) {
	h.over = true
	if rest := slices.DeleteFunc(y.held[h.serial], func(other *holding) bool { return other == h }); len(rest) > 0 {
		y.held[h.serial] = rest
	} else {
		delete(y.held, h.serial)
	}
}

// of are the holdings over a connection.
func (y *custody) of(is func(*consumer) bool) (all []*holding) {
	for _, list := range y.held {
		for _, h := range list {
			if is(h.consumer) {
				all = append(all, h)
			}
		}
	}
	return all
}

// release is the orderly end of a connection.
func (y *custody) release(c *conn) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, h := range y.of(func(k *consumer) bool { return k.conn == c }) {
		y.end(h)
	}
}

// lost is its other end: with a lease, what is held stays so until that has run out. It was renewed a third of it ago at most.
func (y *custody) lost(c *conn) {
	if y.rules.Lease == 0 {
		y.release(c)
		return
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	until := time.Now().Add(y.rules.Lease - y.rules.Lease/3 - time.Millisecond)
	for _, h := range y.of(func(k *consumer) bool { return k.conn == c }) {
		h.until = until
	}
}

// ended is the end of a consumer on the broker's side.
func (y *custody) ended(k *consumer) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.rules.Lease > 0 {
		return
	}
	for _, h := range y.of(func(other *consumer) bool { return other == k }) {
		y.end(h)
	}
}

// forget is the end of the broker.
func (y *custody) forget() {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, h := range y.of(func(*consumer) bool { return true }) {
		y.end(h)
	}
}

func (y *custody) setPrefetch(k *consumer, n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if n < k.bound {
		k.waning = max(k.waning, k.bound)
	}
	k.bound = n
}
