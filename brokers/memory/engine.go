package memory

import (
	"sync"
	"time"

	"taskbench/brokers"
)

// An Engine is a set of queues. It does no I/O, and runs by itself only what moves delayed messages when they
// are due.
type Engine struct {
	mu        sync.Mutex
	queues    map[string]*queue
	exchanges map[string]*exchange
	seq       uint64
	delayed   byTime      // not in their queues yet, the one due first at the top
	alarm     *time.Timer // rings when that one is due
	gone      chan struct{}

	subscriptions map[*subscription]struct{} // those that may hold something
}

var errGone = brokers.Refusef("memory engine is closed and all it held is gone")

// New returns an empty engine.
func New() *Engine {
	return &Engine{
		queues: make(map[string]*queue), exchanges: make(map[string]*exchange), gone: make(chan struct{}),
		subscriptions: make(map[*subscription]struct{}),
	}
}

// Close is the engine's SIGKILL: every consumer is lost and every message gone. A second call does nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.close()
	return nil
}

func (e *Engine) close() {
	if e.closed() {
		return
	}
	close(e.gone)
	clear(e.queues)
	e.delayed = nil
	e.ripen()
	clear(e.exchanges)
	clear(e.subscriptions)
}

func (e *Engine) closed() bool {
	select {
	case <-e.gone:
		return true
	default:
		return false
	}
}

// queue finds a queue, or makes it. The lock is held.
func (e *Engine) queue(name string) *queue {
	q := e.queues[name]
	if q == nil {
		q = &queue{name: name}
		e.queues[name] = q
	}
	return q
}

// publish stores a message. The engine keeps the envelope, which must not be changed any more.
func (e *Engine) publish(queue string, envelope []byte, priority uint8, expiration time.Duration) error {
	it := &item{envelope: envelope, priority: min(priority, priorities-1)}
	if expiration > 0 {
		it.expires = time.Now().Add(expiration)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return errGone
	}
	e.store(e.queue(queue), it)
	return nil
}

func (e *Engine) store(q *queue, it *item) {
	e.seq++
	it.seq, it.queue = e.seq, q
	q.push(it)
}

func (e *Engine) depth(queue string) (ready, held int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return 0, 0, errGone
	}
	q := e.queues[queue]
	if q == nil {
		return 0, 0, nil
	}
	return q.ready, q.held, nil
}

func (e *Engine) purge(queue string) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return 0, errGone
	}
	q := e.queues[queue]
	if q == nil {
		return 0, nil
	}
	return q.purge(), nil
}

func (e *Engine) subscribe(queues []string, prefetch int, r Rules) (*subscription, error) {
	s := &subscription{engine: e, rules: r, held: make(map[uint64]*item), wake: make(chan struct{}, 1), lost: make(chan struct{})}
	s.bound(prefetch)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed() {
		return nil, errGone
	}
	for _, name := range queues {
		q := e.queue(name)
		q.subscriptions = append(q.subscriptions, s)
		s.queues = append(s.queues, q)
	}
	e.subscriptions[s] = struct{}{}
	s.begin()
	return s, nil
}
