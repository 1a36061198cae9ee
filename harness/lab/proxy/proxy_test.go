package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"taskbench/harness/lab/port"
)

// echo is a server that sends back what it gets; it counts the connections that it took.
type echo struct {
	ln    *net.TCPListener
	conns chan *net.TCPConn
}

func newEcho(t *testing.T, ln *net.TCPListener) *echo {
	t.Helper()
	if ln == nil {
		var err error
		if ln, err = port.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	e := &echo{ln: ln, conns: make(chan *net.TCPConn, 1000)}
	go func() {
		for {
			c, err := ln.AcceptTCP()
			if err != nil {
				return
			}
			e.conns <- c
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.CloseWrite()
			}()
		}
	}()
	t.Cleanup(e.die)
	return e
}

func (e *echo) addr() string { return e.ln.Addr().String() }

// die is what SIGKILL does to a server: its port and all its connections close.
func (e *echo) die() {
	_ = e.ln.Close()
	for {
		select {
		case c := <-e.conns:
			reset(c)
		default:
			return
		}
	}
}

func newProxy(t *testing.T, upstream string) *Proxy {
	t.Helper()
	p, err := Listen(context.Background(), upstream)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func dial(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.Addr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

// say sends a line and returns how long it took to come back.
func say(t *testing.T, c *net.TCPConn, line string) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || got != line+"\n" {
		t.Fatalf("sent %q, got %q (%v)", line, got, err)
	}
	return time.Since(began)
}

// await waits for a condition.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func TestForwardsAndCounts(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	c := dial(t, p)
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	go func() {
		_, _ = c.Write(want)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c) // ends only if the half-close went all the way round
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d bytes came back of %d, error %v", len(got), len(want), err)
	}
	await(t, "the link is gone", func() bool { return p.Counts().Open == 0 })
	if n := p.Counts(); n.Accepted != 1 || n.Up != int64(len(want)) || n.Down != int64(len(want)) || n.Cut != 0 || n.Delayed != 0 {
		t.Errorf("counts %+v", n)
	}
}

func TestResetCutsOnlyWhatIsOpen(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	var cs []*net.TCPConn
	for i := range 3 {
		c := dial(t, p)
		say(t, c, fmt.Sprint("hello ", i))
		cs = append(cs, c)
	}
	n, err := p.Reset()
	if err != nil || n != 3 || p.Counts().Cut != 3 || p.Counts().Open != 0 {
		t.Fatalf("reset %d connections (%v), counts %+v", n, err, p.Counts())
	}
	for _, c := range cs {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a cut connection reads %v, not a reset", err)
		}
	}
	say(t, dial(t, p), "again")
}

func TestDisconnectRefusesUntilHealed(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	before := p.Addr()
	c := dial(t, p)
	say(t, c, "hello")
	if n, err := p.Disconnect(); err != nil || n != 1 {
		t.Fatalf("disconnected %d (%v)", n, err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cut connection reads %v, not a reset", err)
	}
	for range 3 {
		if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("dialling gave %v, not a refusal", err)
		}
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	say(t, dial(t, p), "again")
	if p.Addr() != before {
		t.Errorf("the address changed from %s to %s", before, p.Addr())
	}
	if err := p.Heal(); err != nil {
		t.Errorf("healing twice: %v", err)
	}
}

func TestHealSaysWhenThePortIsLost(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	if _, err := p.Disconnect(); err != nil {
		t.Fatal(err)
	}
	thief, err := port.At(p.doors[0].addr.Port)
	if err != nil {
		t.Fatal(err)
	}
	healed := make(chan error)
	go func() { healed <- p.Heal() }()
	if err := <-healed; !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("heal without the port: %v", err)
	}
	_ = thief.Close()
	if err := p.Heal(); err != nil {
		t.Error(err)
	}
	say(t, dial(t, p), "again")
}

func TestRefusesWhileTheServerRefuses(t *testing.T) {
	e := newEcho(t, nil)
	p := newProxy(t, e.addr())
	c := dial(t, p)
	say(t, c, "hello")
	e.die()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("the client was not told that the server died")
	}
	// Whoever has seen the break and dials again must be refused, as by the server itself.
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling gave %v, not a refusal", err)
	}
	ln, err := net.ListenTCP("tcp4", e.ln.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	newEcho(t, ln)
	await(t, "the proxy accepts again", func() bool {
		c, err := net.Dial("tcp", p.Addr())
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	say(t, dial(t, p), "again")
}

func TestHealDoesNotAcceptForAServerThatIsDown(t *testing.T) {
	e := newEcho(t, nil)
	p := newProxy(t, e.addr())
	say(t, dial(t, p), "hello")
	if _, err := p.Disconnect(); err != nil {
		t.Fatal(err)
	}
	e.die()
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	await(t, "clients are refused", func() bool {
		c, err := net.Dial("tcp", p.Addr())
		if err == nil {
			_ = c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

func TestCloseTwice(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	c := dial(t, p)
	say(t, c, "hello")
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its proxy")
	}
	if port.Taken(p.doors[0].addr.Port) {
		t.Error("the port is still taken")
	}
	if _, err := p.Disconnect(); !errors.Is(err, ErrClosed) {
		t.Errorf("a fault on a closed proxy: %v", err)
	}
}
