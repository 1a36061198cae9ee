package nats

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

// A dialer remembers why it failed, which the library keeps to itself, and what the server said first.
type dialer struct {
	ctx    context.Context //nolint:containedctx // the library's own interface has none, and it lives for one call of dial
	failed error
	conn   *conn
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	bounded, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	var nd net.Dialer
	c, err := nd.DialContext(bounded, network, address)
	if err != nil {
		d.failed = err
		return nil, err
	}
	d.conn = &conn{Conn: c}
	return d.conn, nil
}

// explain finds out why no link came about, given what the library says. A server that turns somebody away may have hung up
// before it was asked anything, and then the library only knows that.
func (d *dialer) explain(err error) error {
	switch {
	case d.failed != nil:
		return d.failed
	case d.conn == nil:
		return err
	case bytes.Contains(d.conn.greeting(), []byte(client.MAX_CONNECTIONS_ERR)):
		return client.ErrMaxConnectionsExceeded
	}
	return err
}

// A conn ends when the other side has not taken a write in time: the library holds a lock meanwhile, which its pings need.
type conn struct {
	net.Conn
	mu    sync.Mutex
	first []byte
}

// greetingBytes is how much of what the server says is remembered: its description of itself, and why it hangs up.
const greetingBytes = 8 << 10

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if room := greetingBytes - len(c.first); room > 0 {
		c.first = append(c.first, b[:min(n, room)]...)
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(patience)) // fails only where Write does
	n, err := c.Conn.Write(b)
	if err == nil {
		return n, nil
	}
	if !errors.Is(err, net.ErrClosed) { // it may have said why
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_, _ = c.Read(make([]byte, greetingBytes))
	}
	_ = c.Close()
	return n, err
}

func (c *conn) greeting() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}
