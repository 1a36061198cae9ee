package memory

import (
	"context"
	"io"
	"runtime"
	"sync"

	"taskbench/brokers"
)

// backlog is how many bytes may wait for a write before senders are held up.
const backlog = 1 << 20

// An outbox gathers frames while a write is under way and sends all of them in the next.
type outbox struct {
	mu      sync.Mutex
	buf     []byte
	drained chan struct{} // closed and replaced whenever buf is taken
	ready   chan struct{}
	done    chan struct{} // closed by shut
	err     error
}

func newOutbox() *outbox {
	return &outbox{drained: make(chan struct{}), ready: make(chan struct{}, 1), done: make(chan struct{})}
}

// put adds a frame. It waits while too much is waiting already. Its error is Definite: the frame was not sent.
func (o *outbox) put(ctx context.Context, kind byte, id uint64, parts ...[]byte) error {
	o.mu.Lock()
	for len(o.buf) > backlog && o.err == nil {
		drained := o.drained
		o.mu.Unlock()
		select {
		case <-drained:
		case <-o.done:
		case <-ctx.Done():
			return brokers.Refuse(ctx.Err())
		}
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if o.err != nil {
		return brokers.Refuse(o.err)
	}
	o.buf = appendFrame(o.buf, kind, id, parts...)
	select {
	case o.ready <- struct{}{}:
	default:
	}
	return nil
}

// shut makes the outbox refuse frames, with err as the reason; the first reason stands.
func (o *outbox) shut(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
		close(o.done)
	}
}

// drain writes what is put, until a write fails or the outbox is shut.
func (o *outbox) drain(w io.Writer) error {
	var spare []byte
	for {
		select {
		case <-o.ready:
		case <-o.done:
			return nil
		}
		runtime.Gosched() // whoever is about to put something shall be part of this write
		o.mu.Lock()
		buf := o.buf
		o.buf = spare[:0]
		close(o.drained)
		o.drained = make(chan struct{})
		o.mu.Unlock()
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if spare = buf; cap(spare) > 4*backlog {
			spare = nil
		}
	}
}
