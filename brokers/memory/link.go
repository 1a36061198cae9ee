package memory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"taskbench/brokers"
)

// A link is the client's end of one connection. Any number of requests may be under way on it.
type link struct {
	conn net.Conn
	out  *outbox
	lost chan struct{} // closed when the link is dead

	mu      sync.Mutex
	err     error // why it is dead
	last    uint64
	pending map[uint64]chan<- reply
	sources map[uint32]*remoteSource
}

// A reply answers one request. Its error is Definite when the server refused, and unknown when the link died.
type reply struct {
	payload []byte
	err     error
}

// connect dials and greets. Its errors are Definite: nothing was asked of the server yet.
func connect(ctx context.Context, dial Dial, renewal time.Duration) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	conn, err := dial(ctx)
	if err != nil {
		return nil, brokers.Refusef("connect to memory broker: %w", err)
	}
	l := &link{
		conn: conn, out: newOutbox(), lost: make(chan struct{}),
		pending: make(map[uint64]chan<- reply), sources: make(map[uint32]*remoteSource),
	}
	go func() {
		if err := l.out.drain(conn); err != nil {
			l.die(fmt.Errorf("write: %w", err))
		}
	}()
	go l.read()
	go l.ping(renewal)
	if _, err := l.call(ctx, kindHello, []byte(greeting)); err != nil {
		l.die(err)
		return nil, brokers.Refusef("greet memory broker: %w", err)
	}
	return l, nil
}

// die ends the link; the first cause stands.
func (l *link) die(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = cause
	l.out.shut(cause)
	_ = l.conn.Close() // it is given up in any case
	close(l.lost)
	for _, s := range l.sources {
		s.lose(cause)
	}
	for _, done := range l.pending {
		done <- reply{err: fmt.Errorf("link lost before the answer: %w", unknown{cause})}
	}
	l.pending = nil
}

// unknown hides that a cause is Definite: a refusal of the link is none of the request that was under way on it.
type unknown struct{ cause error }

func (u unknown) Error() string { return u.cause.Error() }

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// start sends a request. Its error is Definite. The answer, or the link's end, arrives on the channel.
func (l *link) start(ctx context.Context, kind byte, parts ...[]byte) (<-chan reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, brokers.Refuse(err)
	}
	done := make(chan reply, 1)
	l.mu.Lock()
	if l.err != nil {
		defer l.mu.Unlock()
		return nil, brokers.Refusef("link is lost: %w", l.err)
	}
	l.last++
	id := l.last
	l.pending[id] = done
	l.mu.Unlock()
	if err := l.out.put(ctx, kind, id, parts...); err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.pending, id)
		return nil, err
	}
	return done, nil
}

// call sends a request and waits for its answer. When ctx ends meanwhile, the outcome is unknown.
func (l *link) call(ctx context.Context, kind byte, parts ...[]byte) ([]byte, error) {
	done, err := l.start(ctx, kind, parts...)
	if err != nil {
		return nil, err
	}
	return wait(ctx, done)
}

func wait(ctx context.Context, done <-chan reply) ([]byte, error) {
	select {
	case r := <-done:
		return r.payload, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the broker's answer: %w", ctx.Err())
	}
}

// read takes in what the server sends. It never waits for anybody but the server.
func (l *link) read() {
	r := newReader(l.conn)
	for {
		if err := l.readOne(r); err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				err = fmt.Errorf("nothing heard for %v", silence)
			}
			l.die(fmt.Errorf("read: %w", err))
			return
		}
	}
}

func (l *link) readOne(r *bufio.Reader) error {
	f, err := readFrame(r)
	if err != nil {
		return err
	}
	switch f.kind {
	case kindOK:
		l.answer(f.id, reply{payload: f.payload})
	case kindRefused:
		l.answer(f.id, reply{err: brokers.Refusef("memory broker refused: %s", f.payload)})
	case kindDeliver:
		c := cursor{rest: f.payload}
		id, redelivered, queue := c.uint32(), c.byte() != 0, c.name()
		if c.short {
			return errors.New("delivery is cut short")
		}
		l.mu.Lock()
		source := l.sources[id]
		l.mu.Unlock()
		if source != nil {
			source.arrive(f.id, queue, c.rest, redelivered)
		}
	case kindEnded:
		c := cursor{rest: f.payload}
		l.mu.Lock()
		source := l.sources[c.uint32()]
		l.mu.Unlock()
		if source != nil {
			source.lose(fmt.Errorf("memory broker ended the consumer: %s", c.rest))
		}
	default:
		return fmt.Errorf("frame of unknown kind %d", f.kind)
	}
	return nil
}

func (l *link) answer(id uint64, r reply) {
	l.mu.Lock()
	done := l.pending[id]
	delete(l.pending, id)
	l.mu.Unlock()
	if done != nil {
		done <- r
	}
}

// ping keeps both sides sure of each other while there is nothing else to say; and, where that must be more often, renews
// leases.
func (l *link) ping(renewal time.Duration) {
	every := pingEvery
	if renewal > 0 {
		every = min(every, renewal)
	}
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-l.lost:
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), silence)
		_, _ = l.call(ctx, kindPing) // the reader notices when no answer comes
		cancel()
	}
}
