package brokertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
)

// A Relay stands between clients and a server, and can cut or freeze all of their links.
type Relay struct {
	listener net.Listener
	dial     func(ctx context.Context) (net.Conn, error)
	work     sync.WaitGroup

	mu    sync.Mutex
	links map[net.Conn]struct{}
	open  chan struct{} // closed while bytes may pass
	done  chan struct{} // closed by Close
}

// NewRelay relays what arrives at the listener, which is its own from now on, to connections that dial makes.
func NewRelay(l net.Listener, dial func(ctx context.Context) (net.Conn, error)) *Relay {
	r := &Relay{listener: l, dial: dial, links: make(map[net.Conn]struct{}), open: make(chan struct{}), done: make(chan struct{})}
	close(r.open)
	r.work.Go(r.accept)
	return r
}

// Through puts a relay in front of a subject's server and gives the subject the hooks Break and Silence.
// The subject's URL must name a host and a port. Close the relay after use.
func Through(s Subject) (Subject, *Relay, error) {
	u, err := url.Parse(s.URL)
	if err != nil || u.Port() == "" {
		return s, nil, fmt.Errorf("relay to broker %s: its URL names no host and port", s.Driver.Name) // and may hold a password
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return s, nil, fmt.Errorf("relay to %s: %w", u.Host, err)
	}
	var d net.Dialer
	addr := u.Host
	r := NewRelay(l, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) })
	u.Host = l.Addr().String()
	s.URL, s.Break, s.Silence = u.String(), r.Break, r.Silence
	return s, r, nil
}

// Break cuts every link. What was on its way is lost. New links work.
func (r *Relay) Break(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.links {
		_ = c.Close() // cutting is all that is wanted, and a closed link is cut
	}
	return nil
}

// Silence lets nothing pass until restore is called; then what was held back goes on.
func (r *Relay) Silence(context.Context) (restore func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gate := make(chan struct{})
	r.open = gate
	return sync.OnceFunc(func() { close(gate) }), nil
}

// Close ends the relay and all of its links. It is called once.
func (r *Relay) Close() error {
	r.mu.Lock()
	close(r.done)
	r.mu.Unlock()
	err := errors.Join(r.listener.Close(), r.Break(context.Background()))
	r.work.Wait()
	return err
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.work.Go(func() { r.link(near) })
	}
}

func (r *Relay) link(near net.Conn) {
	defer near.Close()
	far, err := r.dial(context.Background())
	if err != nil {
		return // to the client it looks like a server that hangs up
	}
	defer far.Close()
	if !r.add(near, far) {
		return
	}
	var pumps sync.WaitGroup
	pumps.Go(func() { r.pump(near, far) })
	pumps.Go(func() { r.pump(far, near) })
	pumps.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.links, near)
	delete(r.links, far)
}

func (r *Relay) add(near, far net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.done:
		return false
	default:
	}
	r.links[near], r.links[far] = struct{}{}, struct{}{}
	return true
}

// pump passes bytes on until either side ends, and ends both then.
func (r *Relay) pump(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			r.mu.Lock()
			open := r.open
			r.mu.Unlock()
			select {
			case <-open:
			case <-r.done:
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
