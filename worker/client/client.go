// Package client sends tasks to workers.
package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"taskbench/brokers"
	"taskbench/worker/message"
)

// A Client sends tasks over one broker connection, which stays its owner's to close. It is safe for concurrent use.
type Client struct{ broker brokers.Broker }

// New makes a client.
func New(b brokers.Broker) *Client { return &Client{broker: b} }

// Send publishes a task under a new id, and returns the id. After an error for which brokers.Definite is false the
// task may have been sent all the same; the id is then returned too, to look for it or to send it again with SendAs.
func (c *Client) Send(ctx context.Context, task string, args []any, kwargs map[string]any, o message.Options) (id string, err error) {
	id = newID()
	return id, c.SendAs(ctx, id, task, args, kwargs, o)
}

// SendAs is Send with an id of the caller's.
func (c *Client) SendAs(ctx context.Context, id, task string, args []any, kwargs map[string]any, o message.Options) error {
	m, err := message.New(task, id, args, kwargs, o)
	if err != nil {
		return brokers.Refusef("send task: %w", err)
	}
	if err := c.broker.Publish(ctx, m); err != nil {
		return fmt.Errorf("send task %s as %s: %w", task, id, err)
	}
	return nil
}

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
