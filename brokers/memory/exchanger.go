package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
)

// Route implements brokers.Exchanger.
func (l *Connection) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	err := l.usable(ctx)
	var data []byte
	if err == nil {
		data, err = envelope.Append(nil, m)
	}
	if err == nil {
		err = l.engine.route(e, key, data, m.Priority, m.Expiration)
	}
	if err != nil {
		return fmt.Errorf("route to exchange %s: %w", e.Name, err)
	}
	return nil
}

// Bind implements brokers.Exchanger.
func (l *Connection) Bind(ctx context.Context, b brokers.Binding) error {
	err := l.usable(ctx)
	if err == nil {
		err = l.engine.bind(b, false)
	}
	if err != nil {
		return fmt.Errorf("bind queue %s to exchange %s: %w", b.Queue, b.Exchange.Name, err)
	}
	return nil
}

// Subscribe implements brokers.Exchanger.
func (l *Connection) Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	b, err := named(b)
	if err == nil {
		err = l.usable(ctx)
	}
	if err == nil {
		err = l.engine.bind(b, true)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s: %w", b.Exchange.Name, err)
	}
	leave := func() { l.engine.leave(b.Queue) }
	c, err := l.Consume(ctx, []string{b.Queue}, 0)
	if err != nil {
		leave()
		return nil, fmt.Errorf("subscribe to exchange %s: %w", b.Exchange.Name, err)
	}
	return listen(ctx, c, leave), nil
}

// appendExchange appends an exchange's name and kind.
func appendExchange(buf []byte, e brokers.Exchange) ([]byte, error) {
	buf, err := appendName(buf, e.Name)
	if err != nil {
		return nil, err
	}
	return appendName(buf, string(e.Kind))
}

func (c *cursor) exchange() brokers.Exchange {
	name := c.name()
	return brokers.Exchange{Name: name, Kind: brokers.ExchangeKind(c.name())}
}

// appendBinding appends all of a binding that the engine looks at.
func appendBinding(buf []byte, b brokers.Binding) ([]byte, error) {
	buf, err := appendExchange(buf, b.Exchange)
	if err == nil {
		buf, err = appendName(buf, b.Key)
	}
	if err == nil {
		buf, err = appendName(buf, b.Queue)
	}
	return binary.BigEndian.AppendUint64(buf, uint64(b.TTL)), err
}

func (c *cursor) binding() brokers.Binding {
	b := brokers.Binding{Exchange: c.exchange()}
	b.Key = c.name()
	b.Queue = c.name()
	b.TTL = time.Duration(c.uint64())
	return b
}

// Route implements brokers.Exchanger.
func (r *remote) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	data, err := appendExchange(nil, e)
	if err == nil {
		data, err = appendName(data, key)
	}
	if err == nil {
		data, err = envelope.Append(data, m)
	}
	if err == nil && len(data) > largest-frameHeader {
		err = brokers.Refusef("message of %d bytes is larger than a frame", len(data))
	}
	if err == nil {
		_, err = r.call(ctx, kindRoute, data)
	}
	if err != nil {
		return fmt.Errorf("route to exchange %s: %w", e.Name, err)
	}
	return nil
}

// Bind implements brokers.Exchanger.
func (r *remote) Bind(ctx context.Context, b brokers.Binding) error {
	data, err := appendBinding([]byte{0}, b)
	if err == nil {
		_, err = r.call(ctx, kindBind, data)
	}
	if err != nil {
		return fmt.Errorf("bind queue %s to exchange %s: %w", b.Queue, b.Exchange.Name, err)
	}
	return nil
}

// Subscribe implements brokers.Exchanger.
func (r *remote) Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	b, err := named(b)
	var data []byte
	if err == nil {
		data, err = appendBinding([]byte{1}, b)
	}
	var l *link
	if err == nil {
		l, err = r.live(ctx)
	}
	if err == nil {
		_, err = l.call(ctx, kindBind, data)
	}
	if err != nil {
		return nil, fmt.Errorf("subscribe to exchange %s: %w", b.Exchange.Name, err)
	}
	leave := func() {
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		name, _ := appendName(nil, b.Queue) // it was short enough before
		_, _ = l.call(ctx, kindLeave, name) // when it fails the link is dead, and the server has left for us
	}
	c, err := r.consume(ctx, l, []string{b.Queue}, 0)
	if err != nil {
		leave()
		return nil, fmt.Errorf("subscribe to exchange %s: %w", b.Exchange.Name, err)
	}
	return listen(ctx, c, leave), nil
}

func (r *remote) call(ctx context.Context, kind byte, payload []byte) ([]byte, error) {
	l, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	return l.call(ctx, kind, payload)
}

// route carries out a request of that kind.
func (s *session) route(c *cursor) error {
	e := c.exchange()
	key := c.name()
	m, err := envelope.Peek(c.rest)
	if err != nil {
		return err
	}
	return s.engine.route(e, key, c.rest, m.Priority, m.Expiration)
}

// bind carries out a request of that kind; temporary queues end with the session.
func (s *session) bind(c *cursor) error {
	temporary := c.byte() != 0
	b := c.binding()
	if c.short {
		return brokers.Refusef("bind: the request is cut short")
	}
	err := s.engine.bind(b, temporary)
	if err == nil && temporary {
		s.temporary[b.Queue]++
	}
	return err
}

func (s *session) leave(queue string) {
	if s.temporary[queue] > 0 {
		s.temporary[queue]--
		s.engine.leave(queue)
	}
}
