// Package client sends tasks to workers and waits for what becomes of them.
package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"taskbench/brokers"
	"taskbench/worker/message"
	"taskbench/worker/result"
)

// A Publisher takes messages: a brokers.Broker, or what decides where they go before one.
type Publisher interface {
	Publish(ctx context.Context, m brokers.Message) error
}

// A Client sends tasks over one broker connection, which stays its owner's to close, as does the backend of its
// results. It is safe for concurrent use.
type Client struct {
	out     Publisher
	results result.Backend // may be nil
	route   func(task string, o message.Options) message.Options
}

// An Option changes a client.
type Option func(*Client)

// WithResults has Delay and Apply send tasks so that their results come to the backend.
func WithResults(b result.Backend) Option { return func(c *Client) { c.results = b } }

// WithRoute has every task's options decided by its name; the function gets what the caller said.
func WithRoute(route func(task string, o message.Options) message.Options) Option {
	return func(c *Client) { c.route = route }
}

// New makes a client.
func New(out Publisher, options ...Option) *Client {
	c := &Client{out: out}
	for _, o := range options {
		o(c)
	}
	return c
}

// Send publishes a task under a new id, and returns the id. After an error for which brokers.Definite is false the
// task may have been sent all the same; the id is then returned too, to look for it or to send it again with SendAs.
func (c *Client) Send(ctx context.Context, task string, args []any, kwargs map[string]any, o message.Options) (id string, err error) {
	id = newID()
	return id, c.SendAs(ctx, id, task, args, kwargs, o)
}

// SendAs is Send with an id of the caller's.
func (c *Client) SendAs(ctx context.Context, id, task string, args []any, kwargs map[string]any, o message.Options) error {
	if c.route != nil {
		o = c.route(task, o)
	}
	if r, ok := c.results.(result.Replier); ok && o.ReplyTo == "" && !o.IgnoreResult {
		o.ReplyTo = r.ReplyTo()
	}
	m, err := message.New(task, id, args, kwargs, o)
	if err != nil {
		return brokers.Refusef("send task: %w", err)
	}
	if err := c.out.Publish(ctx, m); err != nil {
		return fmt.Errorf("send task %s as %s: %w", task, id, err)
	}
	return nil
}

// Delay sends a task with nothing but its arguments. The result is there also with an error for which
// brokers.Definite is false, since the task may have been sent.
func (c *Client) Delay(ctx context.Context, task string, args ...any) (*AsyncResult, error) {
	return c.Apply(ctx, task, args, nil, message.Options{})
}

// Apply sends a task. The result is there as with Delay.
func (c *Client) Apply(ctx context.Context, task string, args []any, kwargs map[string]any, o message.Options) (*AsyncResult, error) {
	id, err := c.Send(ctx, task, args, kwargs, o)
	if err != nil && brokers.Definite(err) {
		return nil, err
	}
	return c.Result(id), err
}

// Result is that of a task that was sent before, maybe by somebody else.
func (c *Client) Result(id string) *AsyncResult { return &AsyncResult{ID: id, results: c.results} }

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
