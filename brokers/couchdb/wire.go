package couchdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-kivik/kivik/v4/couchdb/chttp"

	"taskbench/brokers"
)

// A wire is the connections to a server. It reads the server's clock from every reply, and can be cut.
type wire struct {
	clock     *clock
	transport *http.Transport
	count     func() // told of each request

	mu       sync.Mutex
	conns    map[*conn]struct{}
	closed   bool
	watchers map[int]func(error)
	next     int
}

// keep is how long an idle connection is kept: less than the five seconds after which Node.js closes it, since a request
// that meets the closing is lost.
const keep = 3 * time.Second

func newWire(c *clock) *wire {
	w := &wire{clock: c, count: func() {}, conns: map[*conn]struct{}{}, watchers: map[int]func(error){}}
	w.transport = &http.Transport{
		DialContext: w.dial, TLSHandshakeTimeout: dialing, IdleConnTimeout: keep, MaxIdleConnsPerHost: 16,
		DisableCompression: true, Proxy: nil,
	}
	return w
}

// client is for kivik, which is not to follow where somebody points.
func (w *wire) client() *http.Client {
	return &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.count()
	began := w.clock.read()
	resp, err := w.transport.RoundTrip(r)
	if err == nil {
		w.clock.hear(resp.Header.Get("Date"), began)
	}
	return resp, err
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	w.mu.Lock()
	closed := w.closed
	w.mu.Unlock()
	if closed { // who says goodbye over a dead link would wait for each attempt
		return nil, brokers.ErrClosed
	}
	d := net.Dialer{Timeout: dialing}
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		_ = c.Close()
		return nil, brokers.ErrClosed
	}
	known := &conn{Conn: c, wire: w}
	w.conns[known] = struct{}{}
	return known, nil
}

// conn is one that its wire knows.
type conn struct {
	net.Conn
	wire *wire
	done atomic.Bool // we have closed it
}

// Read tells who depends on the wire that the server, or what is in between, has ended the connection, be it an idle one.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil && !c.done.Load() {
		c.wire.fail(fmt.Errorf("%w: %w", errBroken, err))
	}
	return n, err
}

func (c *conn) Close() error {
	c.done.Store(true)
	c.wire.mu.Lock()
	delete(c.wire.conns, c)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

var errBroken = errors.New("a connection broke")

// watch has f told, from then on until forget is called, that a connection has failed. f must not block.
func (w *wire) watch(f func(error)) (forget func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.next
	w.next++
	w.watchers[n] = f
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.watchers, n)
	}
}

func (w *wire) fail(err error) {
	w.mu.Lock()
	all := slices.Collect(maps.Values(w.watchers))
	w.mu.Unlock()
	for _, f := range all {
		f(err)
	}
}

// close cuts all connections, and has none come about any more.
func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	for c := range w.conns {
		c.done.Store(true)
		_ = c.Conn.Close()
	}
	w.mu.Unlock()
	w.transport.CloseIdleConnections()
}

// A refusal is the server's answer to a whole request that it did not carry out.
type refusal = chttp.HTTPError

// cause is an error without the URL that the library puts in front.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func isTLS(err error) bool {
	var certificate *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	return errors.As(err, &certificate) || errors.As(err, &unknown) || errors.As(err, &record)
}
