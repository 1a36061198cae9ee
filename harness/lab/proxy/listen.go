package proxy

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"taskbench/harness/lab/port"
)

const (
	dialPatience = 5 * time.Second
	downEvery    = 5 * time.Millisecond // how often a server that refuses is asked again
)

// serve accepts on a door's listener; p.mu is held.
func (p *Proxy) serve(d *door, ln *net.TCPListener) {
	d.ln = ln
	p.routines.Add(1)
	go func() {
		defer p.routines.Done()
		for {
			c, err := ln.AcceptTCP()
			if err == nil {
				p.accept(d, c)
				continue
			}
			if errors.Is(err, net.ErrClosed) || !p.sleep(10*time.Millisecond) { // out of descriptors, say
				return
			}
		}
	}()
}

// settle brings the listeners into agreement with what is in force; p.mu is held. It returns an error only when
// connections should be accepted and a port has been taken by someone else.
func (p *Proxy) settle() error {
	var errs []error
	for _, d := range p.doors {
		want := !p.closed && !d.cut && !p.down
		switch {
		case want && d.ln == nil:
			ln, err := port.At(d.addr.Port)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			p.serve(d, ln)
		case !want && d.ln != nil:
			_ = d.ln.Close() // and the kernel resets what it had queued for us
			d.ln = nil
		}
	}
	return errors.Join(errs...)
}

func (p *Proxy) accept(d *door, client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || d.cut || p.down { // it slipped in while the listener was being closed
		reset(client)
		return
	}
	p.serial++
	p.count.accepted.Add(1)
	l := &link{proxy: p, door: d, serial: p.serial, client: client, ended: make(chan struct{}), gone: make(chan struct{})}
	l.follower = p.follow()
	p.links[l] = struct{}{}
	p.count.open.Add(1)
	p.routines.Add(1)
	go func() {
		defer p.routines.Done()
		l.run()
		p.mu.Lock()
		delete(p.links, l)
		p.count.open.Add(-1)
		p.mu.Unlock()
		close(l.gone)
	}()
}

// dial connects to the server unless stop is closed first. When the server refuses, clients are refused too
// until it is back.
func (p *Proxy) dial(stop <-chan struct{}) (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", p.upstream)
	if errors.Is(err, syscall.ECONNREFUSED) {
		p.mirror()
	}
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// mirror refuses clients for as long as the server does.
func (p *Proxy) mirror() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.closed {
		return
	}
	p.down = true
	_ = p.settle()
	p.routines.Add(1)
	go func() {
		defer p.routines.Done()
		for p.sleep(downEvery) {
			c, err := net.DialTimeout("tcp", p.upstream, dialPatience)
			if err != nil {
				continue
			}
			reset(c.(*net.TCPConn))
			if p.back() {
				return
			}
		}
	}()
}

// back accepts clients again after the server refused them; it is tried again when the port cannot be had.
func (p *Proxy) back() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = false
	if p.settle() == nil {
		return true
	}
	p.down = true
	return false
}

// reset closes a connection so that the peer sees ECONNRESET.
func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}
