package simulation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"taskbench/brokers"
)

// A conn is a node's end of a connection.
type conn struct {
	network    *network
	node, name string
	link       Link

	mu     sync.Mutex
	random *rand.Rand
	broken bool // the broker knows that it is over
	ended  bool
	cut    chan struct{} // closed when the node knows, too
}

func (c *conn) gone() bool {
	select {
	case <-c.cut:
		return true
	default:
		return false
	}
}

// travel waits for as long as a message takes. It tells whether that arrived: false on a connection that is lost, for
// good where the broker has dropped it, and when ctx ends.
func (c *conn) travel(ctx context.Context) bool {
	c.mu.Lock()
	d := delay(c.random)
	c.mu.Unlock()
	timer := time.NewTimer(d + c.network.standstill(c.node))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-c.cut:
			return false
		case <-ctx.Done():
			return false
		}
		c.mu.Lock()
		silent := c.broken
		c.mu.Unlock()
		if silent {
			select {
			case <-c.cut:
			case <-ctx.Done():
			}
			return false
		}
		more := c.network.standstill(c.node)
		if more == 0 {
			return true
		}
		timer.Reset(more)
	}
}

// exchange has the broker do something. When ctx ends while the request is under way, it may arrive all the same.
func (c *conn) exchange(ctx context.Context, step string, apply func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return brokers.Refuse(err)
	}
	if c.gone() {
		return brokers.ErrClosed
	}
	moment := c.network.planted(c.node, step)
	switch moment {
	case Before:
		c.breakOff()
		return errCut
	case Lost:
		time.AfterFunc(5*time.Millisecond, c.breakOff)
		return nil
	}
	patient := context.WithoutCancel(ctx)
	if !c.travel(ctx) {
		if c.gone() {
			return errCut
		}
		go func() {
			if c.travel(patient) {
				_ = apply(patient) // nobody waits for it any more
			}
		}()
		return ctx.Err()
	}
	err := apply(patient)
	switch {
	case moment == After:
		c.breakOff()
		return errCut
	case !c.travel(ctx):
		if c.gone() {
			return errCut
		}
		return ctx.Err()
	}
	return err
}

// Publish implements brokers.Broker. Every message that is stored has a serial number of its own.
func (c *conn) Publish(ctx context.Context, m brokers.Message) error {
	return c.exchange(ctx, "publish", func(ctx context.Context) error { return c.link.Publish(ctx, c.network.custody.stamp(m)) })
}

// Delay implements brokers.Delayer.
func (c *conn) Delay(ctx context.Context, m brokers.Message, until time.Time) error {
	return c.exchange(ctx, "delay", func(ctx context.Context) error { return c.link.Delay(ctx, c.network.custody.stamp(m), until) })
}

// Route implements brokers.Exchanger.
func (c *conn) Route(ctx context.Context, e brokers.Exchange, key string, m brokers.Message) error {
	return c.exchange(ctx, "route", func(ctx context.Context) error { return c.link.Route(ctx, e, key, m) })
}

// Bind implements brokers.Exchanger.
func (c *conn) Bind(ctx context.Context, b brokers.Binding) error {
	return c.exchange(ctx, "bind", func(ctx context.Context) error { return c.link.Bind(ctx, b) })
}

// Subscribe implements brokers.Exchanger.
func (c *conn) Subscribe(ctx context.Context, b brokers.Binding) (<-chan brokers.Message, error) {
	var messages <-chan brokers.Message // not looked at after an error: the request may be under way still
	if err := c.exchange(ctx, "subscribe", func(context.Context) (err error) {
		messages, err = c.link.Subscribe(ctx, b)
		return err
	}); err != nil {
		return nil, err
	}
	return messages, nil
}

// Consume implements brokers.Broker.
func (c *conn) Consume(ctx context.Context, queues []string, prefetch int) (brokers.Consumer, error) {
	var inner brokers.Consumer // likewise; it then ends with ctx or the connection
	var since time.Time
	if err := c.exchange(ctx, "consume", func(context.Context) (err error) {
		since = time.Now()
		inner, err = c.link.Consume(ctx, queues, prefetch)
		return err
	}); err != nil {
		return nil, err
	}
	return consume(ctx, c, inner, prefetch, since), nil
}

// Close implements brokers.Broker.
func (c *conn) Close() error {
	if c.end(true) {
		c.network.custody.release(c)
		return c.link.Close()
	}
	return nil
}

// breakOff is the loss of the connection, which both ends know of.
func (c *conn) breakOff() {
	if c.end(true) {
		c.network.custody.lost(c)
		c.link.Break()
	}
}

// fallSilent is its loss on the broker's side alone.
func (c *conn) fallSilent() {
	if c.end(false) {
		c.network.custody.lost(c)
		c.link.Break()
	}
}

// end notes that the connection is over, for the node too if it is to know, and tells whether the broker is to hear of it.
func (c *conn) end(known bool) (first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	first = !c.broken
	c.broken = true
	if known && !c.ended {
		c.ended = true
		close(c.cut)
	}
	return first
}
