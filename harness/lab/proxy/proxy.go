// Package proxy is the TCP fault proxy that stands between clients and one node: it drops, refuses, delays, narrows and
// silences their connections inside this process, and so needs no privileges.
//
// With no fault in force it is as transparent as it can be: half-closed connections stay half-closed, resets
// are passed on, and while the node refuses connections the proxy refuses them too, so that a client sees the
// same provable refusal that it would see without a proxy.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"taskbench/harness/lab/port"
)

// A Proxy forwards the connections made to its address. Its methods may be called from several goroutines.
type Proxy struct {
	upstream string
	doors    []*door // one for each side
	count    counters
	watch    watch
	ended    chan struct{} // closed by Close

	mu       sync.Mutex
	links    map[*link]struct{} // those in being
	serial   uint64             // of the last link
	down     bool               // the upstream itself refuses
	closed   bool
	routines sync.WaitGroup
}

// Listen starts a proxy for the server at upstream ("host:port") on a free port of 127.0.0.1 for each side. The server need not
// be there yet. The context bounds only the starting; the proxy lives until Close.
func Listen(ctx context.Context, upstream string) (*Proxy, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, _, err := net.SplitHostPort(upstream); err != nil {
		return nil, fmt.Errorf("proxy for %q: %w", upstream, err)
	}
	p := &Proxy{upstream: upstream, ended: make(chan struct{}), links: make(map[*link]struct{})}
	for _, side := range Sides {
		ln, err := port.Listen()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("proxy for %s: %w", upstream, err), p.Close())
		}
		d := newDoor(side, ln)
		p.mu.Lock()
		p.doors = append(p.doors, d)
		p.serve(d, ln)
		p.mu.Unlock()
	}
	return p, nil
}

// Addr is where workers connect; it stays the same for the proxy's life.
func (p *Proxy) Addr() string { return p.AddrOf(Workers) }

// Upstream is the address of the server behind it.
func (p *Proxy) Upstream() string { return p.upstream }

// Close resets every connection and frees the ports. A second call does nothing.
func (p *Proxy) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.ended)
	err := p.settle()
	links := p.present(p.doors)
	p.mu.Unlock()
	for _, l := range links {
		l.reset()
	}
	p.routines.Wait()
	return err
}

// Counts is what a proxy has seen since it was made.
type Counts struct {
	Accepted int64 // connections of clients
	Open     int64 // connections now
	Cut      int64 // connections that a fault reset
	Failed   int64 // connections that were dropped because the server could not be reached
	Up, Down int64 // bytes forwarded to the server, and to the clients
	Delayed  int64 // pieces of data that were held back by Latency

	Held time.Duration // for how long data waited for Bandwidth, all pieces added
}

type counters struct{ accepted, open, cut, failed, up, down, delayed, held atomic.Int64 }

// Counts may be called at any time.
func (p *Proxy) Counts() Counts {
	c := &p.count
	return Counts{
		Accepted: c.accepted.Load(), Open: c.open.Load(), Cut: c.cut.Load(), Failed: c.failed.Load(),
		Up: c.up.Load(), Down: c.down.Load(), Delayed: c.delayed.Load(),
		Held: time.Duration(c.held.Load()),
	}
}

// present lists the links in being that came in by the doors; p.mu is held.
func (p *Proxy) present(doors []*door) []*link {
	list := make([]*link, 0, len(p.links))
	for l := range p.links {
		if slices.Contains(doors, l.door) {
			list = append(list, l)
		}
	}
	return list
}

// sleep waits unless the proxy is closed first.
func (p *Proxy) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-p.ended:
		return false
	}
}
