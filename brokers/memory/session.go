package memory

import (
	"context"
	"encoding/binary"
	"net"
	"sync"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A session serves one connection. Its reader carries out requests in order; each subscription has a goroutine
// that hands out.
type session struct {
	engine        *Engine
	conn          net.Conn
	out           *outbox
	subscriptions map[uint32]*subscription
	temporary     map[string]int // queues that end with the session, and how often they were bound
	pumps         sync.WaitGroup
}

func newSession(e *Engine, c net.Conn) *session {
	return &session{engine: e, conn: c, out: newOutbox(), subscriptions: make(map[uint32]*subscription), temporary: make(map[string]int)}
}

// run serves until the connection ends, and gives back what it held.
func (s *session) run() {
	s.pumps.Add(1)
	go func() {
		defer s.pumps.Done()
		if s.out.drain(s.conn) != nil {
			reset(s.conn) // ends the reader too
		}
	}()
	r := newReader(s.conn)
	for {
		f, err := readFrame(r)
		if err != nil {
			break
		}
		for _, sub := range s.subscriptions {
			sub.renew()
		}
		if s.handle(f) != nil {
			break
		}
	}
	s.out.shut(net.ErrClosed)
	reset(s.conn) // frees a drain that is stuck in a write
	for _, sub := range s.subscriptions {
		sub.abandon()
	}
	for queue, times := range s.temporary {
		for range times {
			s.engine.leave(queue)
		}
	}
	s.pumps.Wait()
}

// handle carries out one request and answers it. Its error means that the connection is of no more use.
func (s *session) handle(f frame) error {
	answer, err := s.do(f.kind, &cursor{rest: f.payload})
	if err != nil {
		return s.send(kindRefused, f.id, []byte(err.Error()))
	}
	return s.send(kindOK, f.id, answer)
}

// send is bounded by the connection's own life, and by no caller's context.
func (s *session) send(kind byte, id uint64, parts ...[]byte) error {
	return s.out.put(context.Background(), kind, id, parts...)
}

func (s *session) do(kind byte, c *cursor) (answer []byte, err error) {
	switch kind {
	case kindPing:
		return nil, nil
	case kindHello:
		if string(c.rest) != greeting {
			return nil, brokers.Refusef("client speaks %q, server %q", c.rest, greeting)
		}
		return nil, nil
	case kindPublish:
		queue := c.name()
		return nil, s.publish(queue, c.rest)
	case kindDelay:
		return nil, s.delay(c)
	case kindConsume:
		return nil, s.consume(c)
	case kindPrefetch:
		if sub := s.subscriptions[c.uint32()]; sub != nil {
			sub.setPrefetch(int(c.uint32()))
		}
		return nil, nil
	case kindCancel:
		if sub := s.subscriptions[c.uint32()]; sub != nil {
			sub.end()
		}
		return nil, nil
	case kindSettle:
		sub := s.subscriptions[c.uint32()]
		if sub == nil {
			return nil, errNotHeld
		}
		tag := c.uint64()
		return nil, sub.settle(tag, feed.Outcome(c.byte()))
	case kindRoute:
		return nil, s.route(c)
	case kindBind:
		return nil, s.bind(c)
	case kindLeave:
		s.leave(c.name())
		return nil, nil
	case kindDepth:
		ready, held, err := s.engine.depth(c.name())
		answer = binary.BigEndian.AppendUint64(nil, uint64(ready))
		return binary.BigEndian.AppendUint64(answer, uint64(held)), err
	case kindPurge:
		n, err := s.engine.purge(c.name())
		return binary.BigEndian.AppendUint64(nil, uint64(n)), err
	}
	return nil, brokers.Refusef("request of unknown kind %d", kind)
}

func (s *session) publish(queue string, data []byte) error {
	m, err := envelope.Peek(data)
	if err != nil {
		return err
	}
	return s.engine.publish(queue, data, m.Priority, m.Expiration)
}

func (s *session) consume(c *cursor) error {
	id, prefetch := c.uint32(), int(c.uint32())
	rules := c.rules()
	queues := make([]string, binary.BigEndian.Uint16(c.take(2)))
	for i := range queues {
		queues[i] = c.name()
	}
	if c.short || s.subscriptions[id] != nil {
		return brokers.Refusef("consume: the request is cut short, or its subscription %d exists", id)
	}
	sub, err := s.engine.subscribe(queues, prefetch, rules)
	if err != nil {
		return err
	}
	s.subscriptions[id] = sub
	s.pumps.Add(1)
	go s.pump(id, sub)
	return nil
}

// pump sends what the subscription takes.
func (s *session) pump(id uint32, sub *subscription) {
	defer s.pumps.Done()
	var items []taken
	var head []byte
	for {
		clear(items)
		items = sub.take(items[:0], batch)
		for _, it := range items {
			head = binary.BigEndian.AppendUint32(head[:0], id)
			if it.redelivered {
				head = append(head, 1)
			} else {
				head = append(head, 0)
			}
			head, _ = appendName(head, it.queue) // it came as a name, so it is short enough
			if s.send(kindDeliver, it.tag, head, it.envelope) != nil {
				return
			}
		}
		if len(items) > 0 {
			continue
		}
		select {
		case <-sub.wake:
		case <-sub.lost:
			_ = s.send(kindEnded, 0, binary.BigEndian.AppendUint32(nil, id), []byte(sub.cause.Error())) // fails with its connection
			return
		case <-s.out.done:
			return
		}
	}
}
