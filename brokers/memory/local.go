package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A Connection uses an engine directly, within this process: no goroutine blocks in I/O. It implements brokers.Broker,
// and brokers.Inspector, Purger, Batcher, Exchanger and Delayer too.
type Connection struct {
	engine *Engine
	rules  Rules

	mu            sync.Mutex
	closed        chan struct{}
	subscriptions []*subscription
}

// Connect returns a new connection to the engine. The rules are for its consumers.
func (e *Engine) Connect(r Rules) *Connection {
	return &Connection{engine: e, rules: r, closed: make(chan struct{})}
}

// Broker is Connect without rules.
func (e *Engine) Broker() brokers.Broker { return e.Connect(Rules{}) }

// usable returns an error when the broker is closed or ctx has ended; either way nothing was done.
func (l *Connection) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	select {
	case <-l.closed:
		return brokers.ErrClosed
	default:
		return nil
	}
}

// Publish implements brokers.Broker.
func (l *Connection) Publish(ctx context.Context, m brokers.Message) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	data, err := envelope.Append(make([]byte, 0, len(m.Body)+512), m)
	if err == nil {
		err = l.engine.publish(m.Queue, data, m.Priority, m.Expiration)
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", m.Queue, err)
	}
	return nil
}

// PublishBatch implements brokers.Batcher.
func (l *Connection) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = l.Publish(ctx, m)
	}
	return errs
}

// Consume implements brokers.Broker.
func (l *Connection) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	s, err := l.engine.subscribe(queues, prefetch, l.rules)
	if err != nil {
		return nil, fmt.Errorf("consume from %q: %w", queues, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(ctx); err != nil {
		s.close()
		return nil, err
	}
	l.subscriptions = append(l.subscriptions, s)
	lost := make(chan struct{})
	go func() {
		select {
		case <-l.closed:
		case <-l.engine.gone:
		case <-s.lost:
		case <-ctx.Done():
			return
		}
		close(lost)
	}()
	if every := l.rules.renewal(); every > 0 {
		go l.renew(s, every)
	}
	cause := func() error { return l.cause(s) }
	return feed.Consume(ctx, &localSource{subscription: s}, feed.Signals{Wake: s.wake, Lost: lost, Cause: cause}), nil
}

func (l *Connection) cause(s *subscription) error {
	select {
	case <-l.engine.gone:
		return errGone
	case <-s.lost:
		return s.cause
	default:
		return brokers.ErrClosed
	}
}

// renew gives signs of life for a subscription, also for what it holds once it takes no more.
func (l *Connection) renew(s *subscription, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.renew()
		case <-l.closed:
			return
		case <-l.engine.gone:
			return
		case <-s.lost:
			return
		}
	}
}

// Depth implements brokers.Inspector.
func (l *Connection) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if err := l.usable(ctx); err != nil {
		return 0, 0, err
	}
	return l.engine.depth(queue)
}

// Purge implements brokers.Purger.
func (l *Connection) Purge(ctx context.Context, queue string) (int, error) {
	if err := l.usable(ctx); err != nil {
		return 0, err
	}
	return l.engine.purge(queue)
}

// Close implements brokers.Broker. What the connection held goes back at once.
func (l *Connection) Close() error {
	l.end((*subscription).close)
	return nil
}

// Break is the loss of the connection, as it comes about over a network: what it held goes back at once or, with a lease,
// when that has run out. It is as closed then; a call of a closed one does nothing.
func (l *Connection) Break() { l.end((*subscription).abandon) }

func (l *Connection) end(how func(*subscription)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return
	default:
	}
	close(l.closed)
	for _, s := range l.subscriptions {
		how(s)
	}
}

// A localSource feeds a consumer from a subscription in this process.
type localSource struct {
	subscription *subscription
	items        []taken
}

// batch is how many messages are taken under one lock.
const batch = 64

func (s *localSource) Take(buf []feed.Item) []feed.Item {
	s.items = s.subscription.take(s.items[:0], batch)
	for _, it := range s.items {
		buf = append(buf, feed.Item{Tag: it.tag, Message: open(it.queue, it.envelope), Redelivered: it.redelivered})
	}
	clear(s.items)
	return buf
}

func (s *localSource) Settle(ctx context.Context, tag uint64, o feed.Outcome) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	return s.subscription.settle(tag, o)
}

func (s *localSource) SetPrefetch(n int) error {
	s.subscription.setPrefetch(n)
	return nil
}

func (s *localSource) End(unseen []uint64) {
	s.subscription.end()
	for _, tag := range unseen {
		_ = s.subscription.settle(tag, feed.Unseen) // not held any more: the broker was closed, and gave it back
	}
}

// open is decode with a body that the receiver may change, for envelopes that the engine still holds.
func open(queue string, data []byte) brokers.Message {
	m := decode(queue, data)
	m.Body = append([]byte{}, m.Body...)
	return m
}

// decode opens an envelope. One that cannot be read comes from a foreign client: the receiver gets its bytes as a
// body without a content type, to be rejected as any malformed message.
func decode(queue string, data []byte) brokers.Message {
	m, err := envelope.Decode(data)
	if err != nil {
		m = brokers.Message{Body: data}
	}
	m.Queue = queue
	return m
}
