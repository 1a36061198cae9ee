// Package rpc sends results to the sender of a task over the broker, as Celery's rpc backend does: to the queue that
// the task's message names in reply_to, transient, with the task's correlation id. Nothing is stored on any server: a
// result exists where it was sent to, until it is forgotten or expires. Chords need another backend.
//
// A client's queue lives as long as its connection. When that is lost it is made again under the same name, but what
// was sent in between is lost: who cannot bear that needs a backend with a server.
package rpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
	"taskbench/worker/result/memory"
)

// Backend implements result.Backend and result.Replier. Get, Wait and Forget are about results that came here.
type Backend struct {
	broker brokers.Broker
	here   *memory.Results
	queue  string

	stop    context.CancelFunc
	done    chan struct{} // closed when nothing is consumed any more
	closing sync.Once
}

// exchange has nothing sent to it: results go to the queue by its name, and a subscription needs an exchange.
var exchange = brokers.Exchange{Name: "celeryresults", Kind: brokers.Direct, Durable: true}

// Acts is what the wire of an AMQP broker has besides when results are sent to a reply queue of that name.
func Acts(queue string) map[string]brokers.Act {
	return map[string]brokers.Act{queue: {Does: brokers.Stores}}
}

// Subscribe receives what is sent to the reply queue of that name, until ctx ends or the connection is lost. Open does so for
// a client; this is for who wants to see that replies are sent.
func Subscribe(ctx context.Context, x brokers.Exchanger, queue string) (<-chan brokers.Message, error) {
	return x.Subscribe(ctx, brokers.Binding{Exchange: exchange, Key: queue, Queue: queue})
}

// Open declares the reply queue and consumes it: once it has returned, no result is missed. The broker must have
// exchanges. It stays the caller's to close, after the backend.
func Open(ctx context.Context, o result.Options) (*Backend, error) {
	b, err := open(o)
	if err != nil {
		return nil, err
	}
	x, ok := b.broker.(brokers.Exchanger)
	if !ok {
		return nil, errors.New("open rpc results: this broker has no queues that live as long as their consumer; use another result backend")
	}
	listening, stop := context.WithCancel(context.WithoutCancel(ctx))
	started := make(chan error, 1)
	var replies <-chan brokers.Message
	go func() {
		var err error
		replies, err = b.subscribe(listening, x)
		started <- err
	}()
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("open rpc results: %w", err)
	}
	b.stop = stop
	go b.consume(listening, x, replies)
	return b, nil
}

// OpenSender makes a backend for a worker, which sends results and receives none: it has no queue.
func OpenSender(o result.Options) (*Backend, error) {
	b, err := open(o)
	if err != nil {
		return nil, err
	}
	b.queue, b.stop = "", func() {}
	close(b.done)
	return b, nil
}

func open(o result.Options) (*Backend, error) {
	if o.Broker == nil {
		return nil, errors.New("open rpc results: they go over the broker, and none was given")
	}
	return &Backend{broker: o.Broker, here: memory.New(o), queue: newName(), done: make(chan struct{})}, nil
}

// newName is a random UUID, as Celery's reply queues are named.
func newName() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// ReplyTo implements result.Replier.
func (b *Backend) ReplyTo() string { return b.queue }

func (b *Backend) subscribe(ctx context.Context, x brokers.Exchanger) (<-chan brokers.Message, error) {
	return Subscribe(ctx, x, b.queue)
}

// consume takes replies until the backend is closed, over as many subscriptions as that takes.
func (b *Backend) consume(ctx context.Context, x brokers.Exchanger, replies <-chan brokers.Message) {
	defer close(b.done)
	for {
		for m := range replies {
			if r, err := result.Decode(m.Body); err == nil { // else it is nobody's result
				_ = b.here.Store(ctx, r) // it fails only when nobody is here any more
			}
		}
		for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			var err error
			if replies, err = b.subscribe(ctx, x); err == nil {
				break
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// Store sends the result to the record's ReplyTo; there is nothing to do for a record without.
func (b *Backend) Store(ctx context.Context, r result.Record) error {
	if err := b.here.Usable(ctx); err != nil {
		return fmt.Errorf("send result of task %s: %w", r.TaskID, err)
	}
	body, err := result.EncodeReply(r)
	if err != nil {
		return err
	}
	if r.ReplyTo == "" {
		return nil
	}
	m := brokers.Message{
		Queue: r.ReplyTo, Headers: map[string]any{}, Body: body, ContentType: message.JSON, ContentEncoding: "utf-8",
		CorrelationID: r.CorrelationID, Transient: true,
	}
	if m.CorrelationID == "" {
		m.CorrelationID = r.TaskID
	}
	// By way of the exchange that has no name, where that can be had: Publish would make the queue a lasting one.
	if x, ok := b.broker.(brokers.Exchanger); ok {
		err = x.Route(ctx, brokers.Exchange{Kind: brokers.Direct}, r.ReplyTo, m)
	} else {
		err = b.broker.Publish(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("send result of task %s to %s: %w", r.TaskID, r.ReplyTo, err)
	}
	return nil
}

// Get implements result.Backend, for what has come here.
func (b *Backend) Get(ctx context.Context, id string) (result.Record, error) {
	return b.here.Get(ctx, id)
}

// Wait implements result.Backend, for what comes here.
func (b *Backend) Wait(ctx context.Context, id string) (result.Record, error) {
	return b.here.Wait(ctx, id)
}

// Forget implements result.Backend, for what has come here.
func (b *Backend) Forget(ctx context.Context, ids ...string) error {
	return b.here.Forget(ctx, ids...)
}

// Close implements result.Backend. It returns when the queue is gone, or its connection is.
func (b *Backend) Close() error {
	b.closing.Do(func() {
		b.stop()
		_ = b.here.Close() // always nil
		<-b.done
	})
	return nil
}
