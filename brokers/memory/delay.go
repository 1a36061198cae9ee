package memory

import (
	"container/heap"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// A delayed is an item that is not in its queue yet.
type delayed struct {
	until time.Time
	order uint64 // of those due at the same time
	queue string
	item  *item
}

type byTime []delayed

func (h byTime) Len() int { return len(h) }
func (h byTime) Less(i, j int) bool {
	if h[i].until.Equal(h[j].until) {
		return h[i].order < h[j].order
	}
	return h[i].until.Before(h[j].until)
}
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *byTime) Push(x any)   { *h = append(*h, x.(delayed)) }
func (h *byTime) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = delayed{}
	*h = old[:len(old)-1]
	return d
}

// delay stores a message that becomes ready later.
func (e *Engine) delay(queue string, envelope []byte, priority uint8, expiration time.Duration, until time.Time) error {
	it := &item{envelope: envelope, priority: min(priority, priorities-1)}
	if expiration > 0 {
		it.expires = time.Now().Add(expiration)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return errGone
	}
	e.seq++
	heap.Push(&e.delayed, delayed{until: until, order: e.seq, queue: queue, item: it})
	e.ripen()
	return nil
}

// ripen puts what is due into its queue and sets the clock for the next; the lock is held.
func (e *Engine) ripen() {
	if e.alarm != nil {
		e.alarm.Stop()
		e.alarm = nil
	}
	for len(e.delayed) > 0 && !e.closed() {
		if wait := time.Until(e.delayed[0].until); wait > 0 {
			e.alarm = time.AfterFunc(wait, func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.ripen()
			})
			return
		}
		d := heap.Pop(&e.delayed).(delayed)
		e.store(e.queue(d.queue), d.item)
	}
}

// Delay implements brokers.Delayer.
func (l *Connection) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	if err == nil {
		err = l.engine.delay(m.Queue, data, m.Priority, m.Expiration, until)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// Delay implements brokers.Delayer.
func (r *remote) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	data, err := appendName(nil, m.Queue)
	if err == nil {
		data = binary.BigEndian.AppendUint64(data, uint64(nanoseconds(until)))
		data, err = envelope.Append(data, m)
	}
	if err == nil && len(data) > largest-frameHeader {
		err = brokers.Refusef("message of %d bytes is larger than a frame", len(data))
	}
	var l *link
	if err == nil {
		l, err = r.live(ctx)
	}
	if err == nil {
		_, err = l.call(ctx, kindDelay, data)
	}
	if err != nil {
		return fmt.Errorf("delay a message of %s: %w", m.Queue, err)
	}
	return nil
}

// nanoseconds since 1970, as many as there can be for a time beyond: 2262 is as far away as never.
func nanoseconds(t time.Time) int64 {
	if t.Year() > 2261 {
		return math.MaxInt64
	}
	return t.UnixNano()
}

// delay carries out a request of a client.
func (s *session) delay(c *cursor) error {
	queue := c.name()
	until := time.Unix(0, int64(c.uint64()))
	m, err := envelope.Peek(c.rest)
	if err != nil || c.short {
		return brokers.Refusef("delay a message of %q: the request is cut short: %w", queue, err)
	}
	return s.engine.delay(queue, c.rest, m.Priority, m.Expiration, until)
}
