package proxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/harness/lab/proxy/step"
)

func TestSilenceHoldsAndLosesNothing(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	old := dial(t, p)
	say(t, old, "hello")
	await(t, "what came back is counted", func() bool { c := p.Counts(); return c.Up == 6 && c.Down == 6 })
	before := p.Counts()
	if n, err := p.Silence(); err != nil || n != 1 {
		t.Fatalf("silenced %d (%v)", n, err)
	}
	fresh := dial(t, p) // is accepted
	for _, c := range []*net.TCPConn{old, fresh} {
		if _, err := io.WriteString(c, "held\n"); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("something came through: %d bytes, %v", n, err)
		}
	}
	if now := p.Counts(); now.Up != before.Up || now.Down != before.Down {
		t.Errorf("bytes passed in the silence: %+v, before %+v", now, before)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*net.TCPConn{old, fresh} {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || line != "held\n" {
			t.Errorf("after the silence came %q (%v)", line, err)
		}
	}
}

func TestSilenceHidesAnEndToo(t *testing.T) {
	e := newEcho(t, nil)
	p := newProxy(t, e.addr())
	c := dial(t, p)
	say(t, c, "hello")
	if _, err := p.Silence(); err != nil {
		t.Fatal(err)
	}
	_ = (<-e.conns).Close()
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client learnt of the server's end: %v", err)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the silence the client reads %v, not the end", err)
	}
}

// Who still accepts connections though nobody should is told, and that it does.
func TestDisconnectSeesWhoStillAccepts(t *testing.T) {
	server := newEcho(t, nil)
	p := newProxy(t, server.addr())
	own := p.doors[0].addr
	p.doors[0].addr = server.ln.Addr().(*net.TCPAddr)
	_, err := p.Disconnect(p.doors[0].side)
	p.doors[0].addr = own
	if err == nil || !strings.HasSuffix(err.Error(), "still answers after it was closed: a connection was accepted") {
		t.Errorf("error %v", err)
	}
}

func TestLatencyDelaysBothWaysAndHeals(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	c := dial(t, p)
	say(t, c, "hello")
	const delay = 60 * time.Millisecond
	if err := p.Latency(delay, 0, 1); err != nil {
		t.Fatal(err)
	}
	if d := say(t, c, "slow"); d < 2*delay {
		t.Errorf("a round trip took %v, with %v each way", d, delay)
	}
	if n := p.Counts().Delayed; n != 2 {
		t.Errorf("%d pieces delayed, not 2", n)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	await(t, "round trips are fast again and nothing is held back", func() bool {
		before := p.Counts().Delayed
		return say(t, c, "fast") < delay && p.Counts().Delayed == before
	})
}

// A thousand numbers under jitter that is as large as the delay: a piece that overtakes another is seen, and so
// is a delay that is paid once for each piece and not once for all that is on its way.
func TestLatencyKeepsOrderAndThroughput(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	c := dial(t, p)
	say(t, c, "hello")
	if err := p.Latency(20*time.Millisecond, 20*time.Millisecond, 7); err != nil {
		t.Fatal(err)
	}
	const count = 1000
	began := time.Now()
	go func() {
		for i := range uint32(count) {
			_ = binary.Write(c, binary.BigEndian, i)
			if i == count/2 {
				_ = p.Heal() // what is sent from now on must not overtake either
			}
		}
	}()
	for i := range uint32(count) {
		var got uint32
		if err := binary.Read(c, binary.BigEndian, &got); err != nil || got != i {
			t.Fatalf("number %d came where %d was due (%v)", got, i, err)
		}
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("%d messages took %v: the delay is paid by each of them", count, d)
	}
}

func TestDelaysFollowFromTheSeed(t *testing.T) {
	draw := func(seed, way uint64) (ds [50]time.Duration) {
		s := &weather{delay: 10 * time.Millisecond, jitter: 4 * time.Millisecond}
		r := rand.New(rand.NewPCG(seed, way))
		for i := range ds {
			ds[i] = s.draw(r)
			if ds[i] < 6*time.Millisecond || ds[i] > 14*time.Millisecond {
				t.Fatalf("a delay of %v", ds[i])
			}
		}
		return ds
	}
	first := draw(1, 2)
	if again := draw(1, 2); again != first {
		t.Error("the same seed gave other delays")
	}
	if draw(2, 2) == first || draw(1, 3) == first {
		t.Error("another seed or direction gave the same delays")
	}
}

func TestLatencyRejectsNonsense(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	for _, d := range [][2]time.Duration{{0, 0}, {-1, 5}, {5, -1}} {
		if err := p.Latency(d[0], d[1], 1); err == nil {
			t.Errorf("latency %v was accepted", d)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	for _, name := range []string{"direct", "proxy", "watched"} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = ln.Close() }()
			go func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					go func() { _, _ = io.Copy(c, c) }()
				}
			}()
			addr := ln.Addr().String()
			if name != "direct" {
				p, err := Listen(b.Context(), addr)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = p.Close() }()
				if name == "watched" {
					p.Watch(func() step.Parser { return lines{} })
				}
				addr = p.Addr()
			}
			c, err := net.Dial("tcp", addr)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			buf := append(make([]byte, 511), '\n')
			b.SetBytes(2 * int64(len(buf)))
			for b.Loop() {
				if _, err := c.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
