package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// dialSide connects as one of the sides.
func dialSide(t *testing.T, p *Proxy, s Side) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", p.AddrOf(s), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c.(*net.TCPConn)
}

func TestAFaultSparesTheOtherSide(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	w, pub := dialSide(t, p, Workers), dialSide(t, p, Publishers)
	say(t, w, "hello")
	say(t, pub, "hello")
	if n, err := p.Disconnect(Workers); err != nil || n != 1 {
		t.Fatalf("disconnected %d (%v)", n, err)
	}
	if _, err := net.Dial("tcp", p.AddrOf(Workers)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a worker's dialling gave %v, not a refusal", err)
	}
	say(t, pub, "still here")
	say(t, dialSide(t, p, Publishers), "and new")
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := p.Latency(50*time.Millisecond, 0, 1, Publishers); err != nil {
		t.Fatal(err)
	}
	if d := say(t, pub, "slow"); d < 100*time.Millisecond {
		t.Errorf("the publisher's round trip took %v", d)
	}
	before := p.Counts().Delayed
	say(t, dialSide(t, p, Workers), "fast")
	if n := p.Counts().Delayed; n != before {
		t.Errorf("%d pieces of the workers were delayed", n-before)
	}
	upW, downW := p.Passed(Workers)
	upP, downP := p.Passed(Publishers)
	if all := p.Counts(); upW == 0 || upP == 0 || upW+upP != all.Up || downW+downP != all.Down || all.Accepted != 4 || all.Cut != 1 {
		t.Errorf("workers %d/%d, publishers %d/%d, together %+v", upW, downW, upP, downP, all)
	}
}

func TestMuteHoldsOneDirection(t *testing.T) {
	e := newEcho(t, nil)
	p := newProxy(t, e.addr())
	c := dial(t, p)
	say(t, c, "hello")
	server := <-e.conns
	sent, came := int64(len("hello\n")), int64(len("hello\n")) // counted a moment after it has passed
	for _, up := range []bool{true, false} {
		await(t, "what has passed is counted", func() bool { u, d := p.Passed(); return u == sent && d == came })
		if n, err := p.Mute(up); err != nil || n != 1 {
			t.Fatalf("muted %d (%v)", n, err)
		}
		u0, d0 := p.Passed()
		if _, err := io.WriteString(c, "held\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(server, "news\n"); err != nil {
			t.Fatal(err)
		}
		await(t, "the open direction passes", func() bool { u, d := p.Passed(); return up && d-d0 == 5 || !up && u-u0 == 5 })
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, err := c.Read(make([]byte, 20))
		if up && n != 5 || !up && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("up %v: %d bytes came, %v", up, n, err)
		}
		if u, d := p.Passed(); up && u != u0 || !up && d != d0 {
			t.Errorf("up %v: %d bytes went up and %d down", up, u-u0, d-d0)
		}
		if err := p.Heal(); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		want := 5 // the echo of what was held; and the news, where they were
		if !up {
			want = 10
		}
		if n, err := io.ReadFull(c, make([]byte, want)); err != nil {
			t.Errorf("up %v: after the healing %d bytes came, %v", up, n, err)
		}
		sent, came = sent+5, came+10 // the news, and the echo
	}
}

// What two connections send at once takes as long as the rate allows them together, and the healing lets it go.
func TestBandwidthIsSharedAndHeals(t *testing.T) {
	p := newProxy(t, newEcho(t, nil).addr())
	one, two := dial(t, p), dial(t, p)
	say(t, one, "hello")
	say(t, two, "hello")
	if p.Bandwidth(0) == nil {
		t.Error("a rate of 0 was accepted")
	}
	const rate = 100_000
	if err := p.Bandwidth(rate); err != nil {
		t.Fatal(err)
	}
	send := func(size int) time.Duration {
		began := time.Now()
		got := make(chan error, 2)
		for _, c := range []*net.TCPConn{one, two} {
			go func() { _, _ = c.Write(make([]byte, size)) }()
			go func() { _, err := io.ReadFull(c, make([]byte, size)); got <- err }()
		}
		for range 2 {
			if err := <-got; err != nil {
				t.Error(err)
			}
		}
		return time.Since(began)
	}
	if d := send(15_000); d < 300*time.Millisecond {
		t.Errorf("30000 bytes took %v at %d bytes a second", d, rate)
	}
	took := make(chan time.Duration)
	go func() { took <- send(10 * rate) }() // would take 20 s
	await(t, "some of it is under way", func() bool { up, _ := p.Passed(); return up > 40_000 })
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	if d := <-took; d.Seconds() > 10 {
		t.Errorf("after the healing it took %v in all", d)
	}
}

func TestLingerKeepsAnEndSecret(t *testing.T) {
	e := newEcho(t, nil)
	p := newProxy(t, e.addr())
	const by = 200 * time.Millisecond
	end := func() time.Duration {
		c := dial(t, p)
		say(t, c, "hello")
		began := time.Now()
		for n := len(e.conns); n > 0; n-- { // the proxy asks too, whether the server is still there
			_ = (<-e.conns).Close()
		}
		if rest, err := io.ReadAll(c); err == nil && !bytes.Equal(rest, nil) {
			t.Errorf("%q came, %v", rest, err)
		}
		return time.Since(began)
	}
	if err := p.Linger(by); err != nil {
		t.Fatal(err)
	}
	if d := end(); d < by {
		t.Errorf("the client learnt of the end after %v", d)
	}
	if err := p.Heal(); err != nil {
		t.Fatal(err)
	}
	if d := end(); d >= by {
		t.Errorf("after the healing the client learnt of the end after %v", d)
	}
}
