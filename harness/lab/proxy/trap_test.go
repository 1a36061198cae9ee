package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskbench/harness/lab/proxy/step"
)

// lines is a protocol of lines, some of which are steps.
type lines struct{}

func (lines) Next(from step.Side, data []byte) (int, []step.Event, error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	switch string(data[:i]) {
	case "ack": // is withheld from the server, and counts when it comes back too
		if from == step.Client {
			return i + 1, []step.Event{{Step: step.Ack, Count: 1}}, nil
		}
		return i + 1, []step.Event{{Step: step.Acked, Count: 1}}, nil
	case "three acks":
		if from == step.Client {
			return i + 1, []step.Event{{Step: step.Ack, Count: 3}}, nil
		}
	case "message":
		if from == step.Server {
			return i + 1, []step.Event{{Step: step.Deliver, Count: 1, After: true}}, nil
		}
	case "nonsense":
		return 0, nil, errors.New("that is nonsense")
	}
	return i + 1, nil, nil
}

func newWatched(t *testing.T) *Proxy {
	t.Helper()
	p := newProxy(t, newEcho(t, nil).addr())
	p.Watch(func() step.Parser { return lines{} })
	return p
}

func arm(t *testing.T, p *Proxy, s step.Step, nth int) *Trap {
	t.Helper()
	trap, err := p.Arm(s, nth)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(trap.Release)
	return trap
}

func sprung(t *testing.T, trap *Trap) Hit {
	t.Helper()
	select {
	case <-trap.Sprung():
		return trap.Hit()
	case <-time.After(10 * time.Second):
		t.Fatalf("nobody came to %s; seen %v", trap.step, trap.Steps())
		return Hit{}
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// comes reads what is to come back, and no more.
func comes(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("%q came back, not %q (%v)", got[:n], want, err)
	}
}

func nothingComes(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if b, err := soon(c); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q came, %v", b, err)
	}
}

// heard is the first byte that comes soon, if any does.
func heard(c *net.TCPConn) string {
	b, _ := soon(c) // silence, most of the time
	return b
}

func soon(c *net.TCPConn) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	b := make([]byte, 1)
	n, err := c.Read(b)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return string(b[:n]), err
}

// The connection stands still before the second ack, whose frame came together with others; another goes on.
func TestTrapWithholdsTheStep(t *testing.T) {
	p := newWatched(t)
	c, other := dial(t, p), dial(t, p)
	send(t, c, "ack\n")
	comes(t, c, "ack\n") // not counted: it was before the trap
	trap := arm(t, p, step.Ack, 2)
	send(t, c, "hello\nack\nwor")
	comes(t, c, "hello\nack\n")
	send(t, c, "ld\nack\nafter\n")
	h := sprung(t, trap)
	if h.Nth != 2 || h.Link != 1 || h.Steps[step.Ack] != 2 || h.String() != "ack 2 on connection 1 was seen and withheld from the server" {
		t.Errorf("hit %+v: %s", h, h)
	}
	ahead := "" // what goes before the step has been passed on, and its echo may be back before the link stands still
	if b := heard(c); b != "" {
		ahead = b
		comes(t, c, "orld\n")
		ahead += "orld\n"
		nothingComes(t, c)
	}
	send(t, other, "ack\n")
	comes(t, other, "ack\n")
	trap.Release()
	trap.Release()
	comes(t, c, strings.TrimPrefix("world\nack\nafter\n", ahead))
}

// A trap for one side lets the other pass uncounted, and tells the client's end of the connection.
func TestTrapOfASide(t *testing.T) {
	p := newWatched(t)
	trap, err := p.Arm(step.Ack, 2, Workers)
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Release()
	if got := trap.Of(); got != " of workers" {
		t.Errorf("it waits for connections%s", got)
	}
	publisher, err := net.Dial("tcp", p.AddrOf(Publishers))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = publisher.Close() }()
	send(t, publisher, "three acks\n")
	comes(t, publisher, "three acks\n")
	c := dial(t, p)
	send(t, c, "ack\n")
	comes(t, c, "ack\n")
	send(t, c, "ack\n")
	h := sprung(t, trap)
	if h.Link != 2 || h.Client.String() != c.LocalAddr().String() || h.Steps[step.Ack] != 5 {
		t.Errorf("hit %+v, of %s", h, c.LocalAddr())
	}
}

func TestTrapAfterTheStep(t *testing.T) {
	p := newWatched(t)
	c := dial(t, p)
	trap := arm(t, p, step.Deliver, 1)
	send(t, c, "message\nafter\n")
	comes(t, c, "message\n")
	sprung(t, trap)
	nothingComes(t, c)
	trap.Release()
	comes(t, c, "after\n")
}

// What is withheld when the link is cut never arrives, and what came before it does.
func TestCutAtTheStep(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	heard := make(chan string, 1)
	go func() {
		c, err := server.Accept()
		if err != nil {
			return
		}
		text, _ := io.ReadAll(c)
		heard <- string(text)
	}()
	p := newProxy(t, server.Addr().String())
	p.Watch(func() step.Parser { return lines{} })
	c := dial(t, p)
	trap := arm(t, p, step.Ack, 5)
	send(t, c, "three acks\nack\nthree acks\nafter\n") // the fifth is one of the second three
	sprung(t, trap)
	if n, err := p.Disconnect(); err != nil || n != 1 {
		t.Fatalf("disconnected %d (%v)", n, err)
	}
	trap.Release()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v, not a reset", err)
	}
	if got := <-heard; got != "three acks\nack\n" {
		t.Errorf("the server heard %q", got)
	}
}

// The silence takes over without a gap when the connection is let go.
func TestSilenceAtTheStep(t *testing.T) {
	p := newWatched(t)
	c := dial(t, p)
	trap := arm(t, p, step.Ack, 1)
	send(t, c, "ack\n")
	sprung(t, trap)
	if _, err := p.Silence(); err != nil {
		t.Fatal(err)
	}
	trap.Release()
	nothingComes(t, c)
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	comes(t, c, "ack\n")
}

// A connection that is not understood is left alone, and said to be that.
func TestStrangersPass(t *testing.T) {
	p := newWatched(t)
	c := dial(t, p)
	trap := arm(t, p, step.Ack, 1)
	send(t, c, "nonsense\nack\nhalf")
	comes(t, c, "nonsense\nack\nhalf")
	if got := p.Strange(); got != "1 connections were not understood, the first because that is nonsense" {
		t.Errorf("it says %q", got)
	}
	if steps := trap.Steps(); len(steps) > 0 {
		t.Errorf("steps %v", steps)
	}
}

// Half a frame waits for its other half, and not for ever.
func TestHalfAFramePassesAtTheEnd(t *testing.T) {
	p := newWatched(t)
	c := dial(t, p)
	send(t, c, "whole\nac")
	comes(t, c, "whole\n")
	nothingComes(t, c)
	_ = c.CloseWrite()
	rest, err := bufio.NewReader(c).ReadString(0)
	if rest != "ac" || !errors.Is(err, io.EOF) {
		t.Errorf("at the end came %q (%v)", rest, err)
	}
}

func TestTrapsThatCannotBe(t *testing.T) {
	if _, err := newProxy(t, "127.0.0.1:1").Arm(step.Ack, 1); !errors.Is(err, ErrUnwatched) {
		t.Errorf("a trap of a proxy that does not watch: %v", err)
	}
	p := newWatched(t)
	for _, wrong := range []struct {
		s   step.Step
		nth int
	}{{"akc", 1}, {step.Ack, 0}} {
		if _, err := p.Arm(wrong.s, wrong.nth); err == nil {
			t.Errorf("a trap for %+v", wrong)
		}
	}
}

// A proxy can be closed while a connection stands still.
func TestCloseAtTheStep(t *testing.T) {
	p := newWatched(t)
	c := dial(t, p)
	trap := arm(t, p, step.Ack, 1)
	send(t, c, "ack\n")
	sprung(t, trap)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
