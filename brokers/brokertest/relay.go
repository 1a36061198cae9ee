package brokertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	"taskbench/brokers"
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

// Through puts relays in front of a subject's servers, one for each URL of its list, and gives the subject the hooks Break
// and Silence. Each URL must name a host and a port. Close what is returned after use.
func Through(s Subject) (Subject, Relays, error) {
	var rs Relays
	urls := brokers.URLs(s.URL)
	for i, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Port() == "" {
			err = fmt.Errorf("relay to broker %s: its URL names no host and port", s.Driver.Name) // and may hold a password
			return s, nil, errors.Join(err, rs.Close())
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return s, nil, errors.Join(fmt.Errorf("relay to %s: %w", u.Host, err), rs.Close())
		}
		var d net.Dialer
		addr := u.Host
		rs = append(rs, NewRelay(l, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) }))
		u.Host = l.Addr().String()
		urls[i] = u.String()
	}
	s.URL, s.Break, s.Silence = brokers.JoinURLs(urls), rs.Break, rs.Silence
	return s, rs, nil
}

// Relays are those in front of the servers of one broker.
type Relays []*Relay

// Break cuts every link of each.
func (rs Relays) Break(ctx context.Context) error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.Break(ctx))
	}
	return errors.Join(errs...)
}

// Silence lets nothing pass through any of them until restore is called.
func (rs Relays) Silence(ctx context.Context) (restore func(), err error) {
	var undo []func()
	restore = func() {
		for _, u := range undo {
			u()
		}
	}
	for _, r := range rs {
		u, err := r.Silence(ctx)
		if err != nil {
			restore()
			return nil, err
		}
		undo = append(undo, u)
	}
	return restore, nil
}

// Close ends each. It is called once.
func (rs Relays) Close() error {
	var errs []error
	for _, r := range rs {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
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
