package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
)

// fakeServer is a broker in this process whose every step can be made to fail.
type fakeServer struct {
	promises []brokers.Promise

	// fail is asked at every step: "open", "consume", "prefetch", "deliver", "ack", "nack", "publish". True drops the
	// connection there. With an "after" of true it is asked once the step took effect, and drops it then: the
	// effect stands and the caller is told that it failed.
	fail func(step string, after bool) bool

	// refuse makes a settling fail without effect, on a connection that goes on.
	refuse func(step string) bool

	// linger is how long a consumer whose context has ended goes on to deliver, as long as somebody takes it.
	linger time.Duration

	// counts makes deliveries say how often their message was handed out.
	counts bool

	// bound is how often a message is handed out before one that is given back is kept aside; 0 is no bound.
	bound int

	mu        sync.Mutex
	ready     []fakeItem
	dead      []brokers.Message
	conns     map[*fakeConn]bool
	opens     []time.Time
	prefetch  []int
	published []brokers.Message
}

type fakeItem struct {
	m           brokers.Message
	redelivered bool
	handed      int // how often it was handed out
}

func newFake() *fakeServer {
	return &fakeServer{
		promises: []brokers.Promise{brokers.RedeliverFlag, brokers.Redelivers, brokers.DeadLetters},
		conns:    make(map[*fakeConn]bool),
	}
}

var errDropped = errors.New("fake connection dropped")

func (s *fakeServer) driver() brokers.Driver {
	return brokers.Driver{
		Name:     "fake",
		Variants: []brokers.Variant{{Name: "default", Promises: s.promises}},
		Open: func(ctx context.Context, url string, v brokers.Variant) (brokers.Broker, error) {
			s.mu.Lock()
			s.opens = append(s.opens, time.Now())
			s.mu.Unlock()
			if s.planted("open", false) {
				return nil, brokers.Refusef("fake broker refuses")
			}
			c := &fakeConn{server: s, gone: make(chan struct{})}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.conns[c] = true
			return c, nil
		},
	}
}

func (s *fakeServer) planted(step string, after bool) bool {
	return s.fail != nil && s.fail(step, after)
}

// put makes messages ready without a connection.
func (s *fakeServer) put(ms ...brokers.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range ms {
		s.ready = append(s.ready, fakeItem{m: m})
	}
	s.wakeAll()
}

func (s *fakeServer) wakeAll() {
	for c := range s.conns {
		c.wakeUp()
	}
}

// dropAll breaks every connection.
func (s *fakeServer) dropAll() {
	s.mu.Lock()
	var all []*fakeConn
	for c := range s.conns {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		c.drop()
	}
}

// left is what the broker still holds, ready or handed out.
func (s *fakeServer) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.ready)
	for c := range s.conns {
		n += len(c.unacked)
	}
	return n
}

func (s *fakeServer) deadIDs() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.dead {
		id, _ := m.Headers["id"].(string)
		ids = append(ids, id)
	}
	return ids
}

type fakeConn struct {
	server  *fakeServer
	once    sync.Once
	gone    chan struct{}
	wake    chan struct{}
	out     chan brokers.Delivery
	unacked map[*fakeDelivery]bool
	limit   int
}

func (c *fakeConn) wakeUp() {
	if c.wake != nil {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// drop breaks the connection: what it has not settled is ready again.
func (c *fakeConn) drop() {
	c.once.Do(func() {
		s := c.server
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
		for d := range c.unacked {
			s.ready = append(s.ready, fakeItem{d.m, true, d.handed})
		}
		c.unacked = nil
		close(c.gone)
		s.wakeAll()
	})
}

func (c *fakeConn) Close() error { c.drop(); return nil }

func (c *fakeConn) closed() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

func (c *fakeConn) Publish(ctx context.Context, m brokers.Message) error {
	if c.closed() {
		return brokers.ErrClosed
	}
	if ctx.Err() != nil {
		return brokers.Refuse(ctx.Err())
	}
	if c.server.planted("publish", false) {
		c.drop()
		return brokers.Refuse(errDropped)
	}
	c.server.mu.Lock()
	c.server.published = append(c.server.published, m)
	c.server.mu.Unlock()
	c.server.put(m)
	if c.server.planted("publish", true) {
		c.drop()
		return errDropped
	}
	return nil
}

func (c *fakeConn) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if c.server.planted("consume", false) {
		c.drop()
		return nil, errDropped
	}
	c.server.mu.Lock()
	c.wake, c.out = make(chan struct{}, 1), make(chan brokers.Delivery)
	c.unacked, c.limit = make(map[*fakeDelivery]bool), prefetch
	c.server.mu.Unlock()
	go c.deliver(ctx)
	return c, nil
}

func (c *fakeConn) deliver(ctx context.Context) {
	defer close(c.out)
	if c.server.linger > 0 {
		late, end := context.WithCancel(context.WithoutCancel(ctx))
		defer end()
		context.AfterFunc(ctx, func() { time.AfterFunc(c.server.linger, end) })
		ctx = late
	}
	for {
		d := c.next()
		if d == nil {
			select {
			case <-c.wake:
				continue
			case <-ctx.Done():
				return
			case <-c.gone:
				return
			}
		}
		if c.server.planted("deliver", false) {
			c.drop()
			return
		}
		select {
		case c.out <- d:
		case <-ctx.Done():
			_ = d.settle("nack", func() { c.server.ready = append(c.server.ready, fakeItem{m: d.m, handed: d.handed - 1}) })
			return
		case <-c.gone:
			return
		}
	}
}

func (c *fakeConn) next() *fakeDelivery {
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ready) == 0 || c.unacked == nil || len(c.unacked) >= c.limit {
		return nil
	}
	item := s.ready[0]
	s.ready = s.ready[1:]
	d := &fakeDelivery{conn: c, m: item.m, redelivered: item.redelivered, handed: item.handed + 1}
	c.unacked[d] = true
	return d
}

func (c *fakeConn) Deliveries() <-chan brokers.Delivery { return c.out }

func (c *fakeConn) SetPrefetch(n int) error {
	if c.server.planted("prefetch", false) {
		c.drop()
		return errDropped
	}
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.limit = n
	c.server.prefetch = append(c.server.prefetch, n)
	c.wakeUp()
	return nil
}

func (c *fakeConn) Err() error {
	if c.closed() {
		return errDropped
	}
	return nil
}

type fakeDelivery struct {
	conn        *fakeConn
	m           brokers.Message
	redelivered bool
	handed      int
	settled     bool
}

func (d *fakeDelivery) Message() brokers.Message { return d.m }
func (d *fakeDelivery) Redelivered() bool        { return d.redelivered }

// Deliveries implements brokers.Counted.
func (d *fakeDelivery) Deliveries() int {
	if !d.conn.server.counts {
		return 0
	}
	return d.handed
}

func (d *fakeDelivery) settle(step string, effect func()) error {
	c := d.conn
	if c.closed() {
		return fmt.Errorf("%s: %w", step, errDropped)
	}
	if c.server.planted(step, false) {
		c.drop()
		return fmt.Errorf("%s: %w", step, errDropped)
	}
	if c.server.refuse != nil && c.server.refuse(step) {
		return fmt.Errorf("%s: refused", step)
	}
	c.server.mu.Lock()
	if d.settled {
		c.server.mu.Unlock()
		return brokers.ErrSettled
	}
	if c.unacked[d] {
		d.settled = true
		delete(c.unacked, d)
		effect()
	}
	c.wakeUp()
	c.server.mu.Unlock()
	if c.server.planted(step, true) {
		c.drop()
		return fmt.Errorf("%s: %w", step, errDropped)
	}
	return nil
}

func (d *fakeDelivery) Ack(ctx context.Context) error {
	return d.settle("ack", func() {})
}

func (d *fakeDelivery) Nack(ctx context.Context, requeue bool) error {
	return d.settle("nack", func() {
		if bound := d.conn.server.bound; requeue && (bound == 0 || d.handed <= bound) {
			d.conn.server.ready = append(d.conn.server.ready, fakeItem{d.m, true, d.handed})
		} else {
			d.conn.server.dead = append(d.conn.server.dead, d.m)
		}
	})
}
