package memory

import (
	"cmp"
	"container/heap"
	"slices"

	"taskbench/brokers/envelope"
)

// Restart ends the engine as Close does, and returns the one that comes up in its place: empty or, if durable, with what a
// server has that writes down every message before it confirms it, and settles by the same book. What was held is ready
// again, flagged as redelivered; transient messages, and the queues that end with their connections, are gone. A closed
// engine has nothing to leave.
func (e *Engine) Restart(durable bool) *Engine {
	next := New()
	e.mu.Lock()
	defer e.mu.Unlock()
	next.mu.Lock()
	defer next.mu.Unlock()
	if durable && !e.closed() {
		e.bequeath(next)
	}
	e.close()
	return next
}

// bequeath copies what outlives the engine; the locks of both are held.
func (e *Engine) bequeath(next *Engine) {
	var items []*item
	keep := func(it *item, q *queue) {
		if m, err := envelope.Peek(it.envelope); e.queues[q.name] != q || q.listeners > 0 || err == nil && m.Transient {
			return
		}
		kept := *it
		kept.queue = next.queue(q.name)
		items = append(items, &kept)
	}
	for _, q := range e.queues {
		next.queue(q.name).ttl = q.ttl
		for p := range q.levels {
			l := &q.levels[p]
			for i := range l.n {
				keep(l.ring[(l.head+i)&(len(l.ring)-1)], q)
			}
			for _, it := range l.returned {
				keep(it, q)
			}
		}
		if q.listeners > 0 {
			delete(next.queues, q.name)
		}
	}
	for s := range e.subscriptions {
		for _, it := range s.held {
			was := len(items)
			if keep(it, it.queue); len(items) > was {
				items[was].redelivered = true
				items[was].returns++
			}
		}
	}
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.seq, b.seq) })
	for _, it := range items {
		it.queue.push(it)
	}
	for _, d := range e.delayed {
		if m, err := envelope.Peek(d.item.envelope); err != nil || !m.Transient {
			kept := *d.item
			heap.Push(&next.delayed, delayed{d.until, d.order, d.queue, &kept})
		}
	}
	next.seq = e.seq
	for name, x := range e.exchanges {
		copied := &exchange{kind: x.kind}
		for _, b := range x.bound {
			if b.queue.listeners == 0 {
				copied.bound = append(copied.bound, bound{b.key, next.queue(b.queue.name)})
			}
		}
		next.exchanges[name] = copied
	}
	next.ripen()
}
