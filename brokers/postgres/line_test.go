package postgres

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"taskbench/brokers/brokertest"
	"taskbench/brokers/servertest"
)

func TestAnAnswerMayTakeAsLongAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		l := &line{Conn: near}
		ctx, cancel := l.whileHeard()
		defer cancel()
		for range 20 {
			<-time.After(silence - 2*glance)
			go func() { _, _ = far.Write([]byte("x")) }() // it is read, or the test fails
			if _, err := l.Read(make([]byte, 8)); err != nil {
				t.Fatal(err)
			}
			if ctx.Err() != nil {
				t.Fatalf("an answer that comes slowly was given up: %v", context.Cause(ctx))
			}
		}
		began := time.Now()
		<-ctx.Done()
		if waited := time.Since(began); waited < silence-glance || waited > silence+glance || !strings.Contains(context.Cause(ctx).Error(), "nothing came") {
			t.Errorf("after %v of silence: %v", waited, context.Cause(ctx))
		}
	})
}

// A message may be larger than what a link carries in the time that a small exchange may take.
func TestLargeMessageOverASlowLink(t *testing.T) {
	servertest.Needed(t)
	t.Parallel()
	at, _ := launch(t)
	const bandwidth = 1 << 20
	m := letter("q", "large")
	m.Body = bytes.Repeat([]byte("0123456789abcdef"), (bandwidth*int(silence/time.Second)+bandwidth)/16)
	send(t, openAt(t, at, Driver.Variants[0]), m)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var server string
	narrow := with(t, at, func(u *url.URL, _ url.Values) { server, u.Host = u.Host, l.Addr().String() })
	relay := brokertest.NewRelay(l, func(ctx context.Context) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", server)
		return slow{c, bandwidth}, err
	})
	t.Cleanup(func() { _ = relay.Close() })
	c := receive(t, openAt(t, narrow, Driver.Variants[0]), "q", 4)
	if d := next(t, c); len(d.Message().Body) != len(m.Body) || d.Ack(t.Context()) != nil {
		t.Errorf("%d of %d bytes came", len(d.Message().Body), len(m.Body))
	}
}

// slow is a connection over which so many bytes come in a second.
type slow struct {
	net.Conn
	bandwidth int
}

func (s slow) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), 16<<10)])
	<-time.After(time.Second * time.Duration(n) / time.Duration(s.bandwidth))
	return n, err
}
