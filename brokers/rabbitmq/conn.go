package rabbitmq

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

const (
	heartbeat = 3 * time.Second
	silence   = 7 * time.Second // without a byte from the server, which beats twice in a heartbeat's time
	stuck     = 5 * time.Second // for the kernel to take what is written
	greeting  = 10 * time.Second
	farewell  = time.Second
)

// conn is a connection to a server: it retags, it gathers what is written at the same time into one packet, and it
// does not wait for ever.
type conn struct {
	net.Conn
	in    retag
	raw   [16 << 10]byte
	ready []byte // read and retagged
	buf   []byte

	mu      sync.Mutex
	out     retag
	waiting []byte     // written and not yet on its way
	more    *sync.Cond // told when waiting, failed or closed has changed
	failed  error
}

// gathered is how much may wait to be sent before Write waits too.
const gathered = 256 << 10

func newConn(c net.Conn) *conn {
	k := &conn{
		Conn: c,
		in:   retag{from: 'L', to: 'l'},
		out:  retag{from: 'l', to: 'L', pass: len("AMQP\x00\x00\x09\x01")},
	}
	k.more = sync.NewCond(&k.mu)
	go k.send()
	return k
}

// Read is called by one goroutine.
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

// Write returns when p is on its way or next to go. A failure to send it closes the connection and is the error of
// later calls.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > gathered && c.failed == nil {
		c.more.Wait()
	}
	if c.failed != nil {
		return 0, c.failed
	}
	c.waiting = c.out.through(c.waiting, p)
	c.more.Broadcast()
	return len(p), nil
}

func (c *conn) send() {
	var batch []byte
	for {
		c.mu.Lock()
		for len(c.waiting) == 0 && c.failed == nil {
			c.more.Wait()
		}
		if c.failed != nil {
			c.mu.Unlock()
			return
		}
		batch, c.waiting = c.waiting, batch[:0]
		c.more.Broadcast()
		c.mu.Unlock()
		err := c.SetWriteDeadline(time.Now().Add(stuck))
		if err == nil {
			_, err = c.Conn.Write(batch)
		}
		if err != nil {
			c.fail(err)
			_ = c.Conn.Close() // so that the reader ends too
		}
	}
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
	c.more.Broadcast()
}

// Close drops what waits to be sent.
func (c *conn) Close() error {
	c.fail(net.ErrClosed)
	return c.Conn.Close()
}

// SetReadDeadline is the library's, three heartbeats after the last frame. That is too late for a link that has
// died silently to be noticed within ten seconds, so it is brought forward.
func (c *conn) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(silence); t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

// cause is why the connection failed, where that is a certificate, of which the library only sees the end.
func (c *conn) cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil && encryption(c.failed) {
		return c.failed
	}
	return nil
}

// dial opens an AMQP connection before ctx ends. Nothing was done where it fails.
func dial(ctx context.Context, url string) (*amqp.Connection, error) {
	u, err := amqp.ParseURI(url)
	if err != nil {
		return nil, badURL(url, err)
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	addr := net.JoinHostPort(u.Host, strconv.Itoa(u.Port))
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, brokers.Unreached(err)
	}
	if u.Scheme == "amqps" {
		c = tls.Client(c, &tls.Config{ServerName: u.Host})
	}
	k := newConn(c)
	interrupt := context.AfterFunc(ctx, func() { _ = k.Close() }) // makes Open return
	a, err := amqp.Open(k, amqp.Config{
		SASL: []amqp.Authentication{u.PlainAuth()}, Vhost: u.Vhost, Heartbeat: heartbeat, Locale: "en_US",
		FrameSize: 131072, Properties: properties(),
	})
	if !interrupt() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = k.Close() // it may be closed already
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w (%w)", ctx.Err(), err)
		}
		return nil, fmt.Errorf("greet the server at %s: %w", addr, unwelcome(cmp.Or(k.cause(), err)))
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
