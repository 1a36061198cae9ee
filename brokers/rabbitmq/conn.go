package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	heartbeat = 3 * time.Second
	silence   = 7 * time.Second // without a byte from the server, which beats twice in a heartbeat's time
	stuck     = 5 * time.Second // for the kernel to take what is written
	greeting  = 10 * time.Second
	farewell  = time.Second
)

// conn is a connection to a server: it retags, and it does not wait for ever.
type conn struct {
	net.Conn
	in, out retag
	raw     [16 << 10]byte
	ready   []byte // read and retagged
	buf     []byte
	outBuf  []byte
}

func newConn(c net.Conn) *conn {
	return &conn{
		Conn: c,
		in:   retag{from: 'L', to: 'l'},
		out:  retag{from: 'l', to: 'L', pass: len("AMQP\x00\x00\x09\x01")},
	}
}

// Read is called by one goroutine, like Write.
func (c *conn) Read(p []byte) (int, error) {
	for len(c.ready) == 0 {
		n, err := c.Conn.Read(c.raw[:])
		c.buf = c.in.through(c.buf[:0], c.raw[:n])
		if c.ready = c.buf; err != nil && len(c.ready) == 0 {
			return 0, err
		}
	}
	n := copy(p, c.ready)
	c.ready = c.ready[n:]
	return n, nil
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stuck)); err != nil {
		return 0, err
	}
	c.outBuf = c.out.through(c.outBuf[:0], p)
	if _, err := c.Conn.Write(c.outBuf); err != nil {
		return 0, err // a part may be out, and no more will follow it
	}
	return len(p), nil
}

// SetReadDeadline is the library's, three heartbeats after the last frame. That is too late for a link that has
// died silently to be noticed within ten seconds, so it is brought forward.
func (c *conn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(silence); t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

// dial opens an AMQP connection before ctx ends. Nothing was done where it fails.
func dial(ctx context.Context, url string) (*amqp.Connection, error) {
	u, err := amqp.ParseURI(url)
	if err != nil {
		return nil, fmt.Errorf("read AMQP URL: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	addr := net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "amqps" {
		c = tls.Client(c, &tls.Config{ServerName: u.Host})
	}
	interrupt := context.AfterFunc(ctx, func() { _ = c.Close() }) // makes Open return
	a, err := amqp.Open(newConn(c), amqp.Config{
		SASL: []amqp.Authentication{u.PlainAuth()}, Vhost: u.Vhost, Heartbeat: heartbeat, Locale: "en_US",
		FrameSize: 131072, Properties: properties(),
	})
	if !interrupt() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = c.Close() // it may be closed already
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		return nil, fmt.Errorf("greet the server at %s: %w", addr, err)
	}
	return a, nil
}

func properties() amqp.Table {
	p := amqp.NewConnectionProperties()
	p["product"] = "taskbench"
	return p
}

// hangUp ends a connection. A server that does not answer the good-bye is left without.
func hangUp(a *amqp.Connection) {
	_ = a.CloseDeadline(time.Now().Add(farewell)) // it may be closed already
}
