package memory

import (
	"context"
	"fmt"
	"sync"

	"taskbench/brokers"
	"taskbench/brokers/envelope"
	"taskbench/brokers/feed"
)

// A local broker uses the engine directly.
type local struct {
	engine *Engine

	mu            sync.Mutex
	closed        chan struct{}
	subscriptions []*subscription
}

// Broker returns a new connection to the engine, within this process: no goroutine blocks in I/O. It implements
// brokers.Inspector, brokers.Purger, brokers.Batcher and brokers.Exchanger too.
func (e *Engine) Broker() brokers.Broker { return &local{engine: e, closed: make(chan struct{})} }

// usable returns an error when the broker is closed or ctx has ended; either way nothing was done.
func (l *local) usable(ctx context.Context) error {
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
func (l *local) Publish(ctx context.Context, m brokers.Message) error {
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
func (l *local) PublishBatch(ctx context.Context, ms []brokers.Message) []error {
	errs := make([]error, len(ms))
	for i, m := range ms {
		errs[i] = l.Publish(ctx, m)
	}
	return errs
}

// Consume implements brokers.Broker.
func (l *local) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	if err := l.usable(ctx); err != nil {
		return nil, err
	}
	s, err := l.engine.subscribe(queues, prefetch)
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
		case <-ctx.Done():
			return
		}
		close(lost)
	}()
	return feed.Consume(ctx, &localSource{subscription: s}, feed.Signals{Wake: s.wake, Lost: lost, Cause: l.cause}), nil
}

func (l *local) cause() error {
	select {
	case <-l.engine.gone:
		return errGone
	default:
		return brokers.ErrClosed
	}
}

// Depth implements brokers.Inspector.
func (l *local) Depth(ctx context.Context, queue string) (ready, unacked int, err error) {
	if err := l.usable(ctx); err != nil {
		return 0, 0, err
	}
	return l.engine.depth(queue)
}

// Purge implements brokers.Purger.
func (l *local) Purge(ctx context.Context, queue string) (int, error) {
	if err := l.usable(ctx); err != nil {
		return 0, err
	}
	return l.engine.purge(queue)
}

// Close implements brokers.Broker.
func (l *local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return nil
	default:
	}
	close(l.closed)
	for _, s := range l.subscriptions {
		s.close()
	}
	return nil
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
