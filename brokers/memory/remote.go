package memory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A remote broker reaches a Server. It keeps one link, and dials again when that is lost.
type remote struct {
	dial   Dial
	rules  Rules
	turn   chan struct{} // held by whoever may dial; of size one
	link   atomic.Pointer[link]
	closed atomic.Bool
	last   atomic.Uint32 // subscription
}

const form = "memory://host:port?lease=30s&visibility_timeout=1h&consumer_timeout=30m&delivery_limit=20"

var errForm = errors.New("the scheme is another, or there is no port")

func openRemote(ctx context.Context, rawURL string, v brokers.Variant) (brokers.Broker, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "memory" || u.Port() == "" {
		return nil, fmt.Errorf("open memory broker: %w", brokers.RefuseURL(rawURL, form, errForm))
	}
	rules, err := readRules(u.Query(), v)
	if err != nil {
		return nil, fmt.Errorf("open memory broker: %w", brokers.RefuseURL(rawURL, form, err))
	}
	var d net.Dialer
	return dialAs(ctx, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", u.Host) }, rules)
}

// A Dial makes a connection to a Server.
type Dial func(ctx context.Context) (net.Conn, error)

// Connect opens a broker whose connections are made by dial, at once and again whenever one was lost: for networks
// other than TCP, and for tests. Its errors are Definite.
func Connect(ctx context.Context, dial Dial) (brokers.Broker, error) {
	return dialAs(ctx, dial, Rules{})
}

func dialAs(ctx context.Context, dial Dial, rules Rules) (brokers.Broker, error) {
	r := &remote{dial: dial, rules: rules, turn: make(chan struct{}, 1)}
	if _, err := r.live(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// live returns the link, a new one if need be. Its errors are Definite.
func (r *remote) live(ctx context.Context) (*link, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	if l := r.usable(); l != nil {
		return l, nil
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, brokers.Refuse(ctx.Err())
	}
	if r.closed.Load() {
		return nil, brokers.ErrClosed
	}
	if l := r.usable(); l != nil {
		return l, nil
	}
	l, err := connect(ctx, r.dial, r.rules.renewal())
	if err != nil {
		return nil, err
	}
	r.link.Store(l)
	if r.closed.Load() { // Close may have looked before the link was there
		l.die(brokers.ErrClosed)
		return nil, brokers.ErrClosed
	}
	return l, nil
}

func (r *remote) usable() *link {
	l := r.link.Load()
	if l == nil || l.cause() != nil {
		return nil
	}
	return l
}

// Close implements brokers.Broker.
func (r *remote) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	if l := r.link.Load(); l != nil {
		l.die(brokers.ErrClosed)
	}
	return nil
}

// scratch holds buffers in which messages are encoded on their way to the outbox.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// send starts the publishing of one message. Its error is Definite.
func (r *remote) send(ctx context.Context, m brokers.Message) (<-chan reply, error) {
	l, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	data, err := appendName((*buf)[:0], m.Queue)
	if err == nil {
		data, err = envelope.Append(data, m)
	}
	if err != nil {
		return nil, err
	}
	*buf = data
	if len(data) > largest-frameHeader {
		return nil, brokers.Refusef("message of %d bytes is larger than a frame", len(data))
	}
	return l.start(ctx, kindPublish, data)
}

// Publish implements brokers.Broker.
func (r *remote) Publish(ctx context.Context, m brokers.Message) error {
	done, err := r.send(ctx, m)
	if err == nil {
		_, err = wait(ctx, done)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (r *remote) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs, waits := make([]error, len(ms)), make([]<-chan reply, len(ms))
	for i, m := range ms {
		waits[i], errs[i] = r.send(ctx, m)
	}
	for i, done := range waits {
		if errs[i] == nil {
			_, errs[i] = wait(ctx, done)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("publish to %s: %w", ms[i].Queue, errs[i])
		}
	}
	return errs
}

// Consume implements brokers.Broker.
func (r *remote) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	l, err := r.live(ctx)
	if err != nil {
		return nil, fmt.Errorf("consume from %q: %w", queues, err)
	}
	return r.consume(ctx, l, queues, prefetch)
}

func (r *remote) consume(ctx context.Context, l *link, queues []string, prefetch int) (_ brokers.Consumer, err error) {
	s := &remoteSource{link: l, id: r.last.Add(1), wake: make(chan struct{}, 1), lost: make(chan struct{})}
	request := binary.BigEndian.AppendUint32(nil, s.id)
	request = binary.BigEndian.AppendUint32(request, uint32(max(prefetch, 0)))
	request = r.rules.append(request)
	request = binary.BigEndian.AppendUint16(request, uint16(len(queues)))
	for _, q := range queues {
		if request, err = appendName(request, q); err != nil {
			return nil, fmt.Errorf("consume from %q: %w", queues, err)
		}
	}
	l.mu.Lock()
	l.sources[s.id] = s
	if l.err != nil {
		s.lose(l.err)
	}
	l.mu.Unlock()
	if _, err := l.call(ctx, kindConsume, request); err != nil {
		s.End(nil) // it may have begun all the same
		return nil, fmt.Errorf("consume from %q: %w", queues, err)
	}
	return feed.Consume(ctx, s, feed.Signals{Wake: s.wake, Lost: s.lost, Cause: s.cause}), nil
}

func (r *remote) ask(ctx context.Context, kind byte, queue string) (*cursor, error) {
	name, err := appendName(nil, queue)
	if err != nil {
		return nil, err
	}
	l, err := r.live(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := l.call(ctx, kind, name)
	return &cursor{rest: answer}, err
}

// Depth implements brokers.Inspector.
func (r *remote) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	c, err := r.ask(ctx, kindDepth, queue)
	if err != nil {
		return 0, 0, fmt.Errorf("count queue %s: %w", queue, err)
	}
	return int(c.uint64()), int(c.uint64()), nil
}

// Purge implements brokers.Purger.
func (r *remote) Purge(ctx context.Context, queue string) (int, error) {
	c, err := r.ask(ctx, kindPurge, queue)
	if err != nil {
		return 0, fmt.Errorf("purge queue %s: %w", queue, err)
	}
	return int(c.uint64()), nil
}
