package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"taskbench/brokers"
)

const soon = 10 * time.Second

func send(t *testing.T, b brokers.Broker, queue string, n int) {
	t.Helper()
	for range n {
		if err := b.Publish(t.Context(), brokers.Message{Queue: queue}); err != nil {
			t.Fatal(err)
		}
	}
}

// raw dials a server and sends bytes, without the client in between.
func raw(t *testing.T, s *Server, data []byte) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // most are closed by the server already
	if _, err := c.Write(data); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestForeignBytesEndTheirConnectionOnly(t *testing.T) {
	s, url := serve(t)
	b := openAt(t, url)
	huge := binary.BigEndian.AppendUint32(nil, largest+1)
	for name, data := range map[string][]byte{
		"http":         []byte("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
		"huge frame":   append(huge, make([]byte, frameHeader)...),
		"length below": make([]byte, 4+frameHeader),
	} {
		c := raw(t, s, data)
		if err := c.SetReadDeadline(time.Now().Add(soon)); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if _, err := io.ReadAll(c); err != nil && errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the connection was not ended", name)
		}
	}
	send(t, b, "q", 1)
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	s, _ := serve(t)
	for name, request := range map[string][]byte{
		"unknown kind":       appendFrame(nil, 200, 7),
		"empty publish":      appendFrame(nil, kindPublish, 7),
		"other version":      appendFrame(nil, kindPublish, 7, []byte{0, 1, 'q', 99, 0, 0, 0}),
		"short consume":      appendFrame(nil, kindConsume, 7, []byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 9, 0}),
		"foreign settlement": appendFrame(nil, kindSettle, 7, make([]byte, 13)),
		"other greeting":     appendFrame(nil, kindHello, 7, []byte("taskbench memory 99")),
	} {
		c := raw(t, s, request)
		f, err := readFrame(newReader(c))
		if err != nil || f.kind != kindRefused || f.id != 7 || len(f.payload) == 0 {
			t.Errorf("%s: answered with %+v, %v; want a refusal that says why", name, f, err)
		}
	}
}

func TestForeignEnvelopeIsDeliveredForRejection(t *testing.T) {
	s, url := serve(t)
	envelope := []byte{1, 0, 0, 0, 200, 1} // right so far as the server looks, and cut short behind
	c := raw(t, s, appendFrame(nil, kindPublish, 1, []byte{0, 1, 'q'}, envelope))
	if f, err := readFrame(newReader(c)); err != nil || f.kind != kindOK {
		t.Fatalf("publish: %+v, %v", f, err)
	}
	consumer, err := openAt(t, url).Consume(t.Context(), []string{"q"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-consumer.Deliveries():
		if m := d.Message(); !bytes.Equal(m.Body, envelope) || m.ContentType != "" || m.Queue != "q" {
			t.Errorf("delivered as %+v, want the bytes as they came", m)
		}
	case <-time.After(soon):
		t.Fatal("a message that cannot be decoded was not delivered")
	}
}

func TestServerGivesBackWhatASilentClientHolds(t *testing.T) {
	t.Parallel()
	s, url := serve(t)
	b := openAt(t, url)
	send(t, b, "q", 1)
	// A client that consumes and then neither pings nor goes.
	request := append(Rules{}.append([]byte{0, 0, 0, 1, 0, 0, 0, 1}), 0, 1, 0, 1, 'q')
	r := newReader(raw(t, s, appendFrame(nil, kindConsume, 1, request)))
	for range 2 { // the answer and the delivery
		if _, err := readFrame(r); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Consume(t.Context(), []string{"q"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case d := <-c.Deliveries():
		if !d.Redelivered() {
			t.Error("what the silent client held came back unflagged")
		}
	case <-time.After(silence + soon):
		t.Error("what the silent client held did not come back")
	}
}

func TestPublishesAgainAfterARestart(t *testing.T) {
	s, url := serve(t)
	b := openAt(t, url)
	send(t, b, "q", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	for err = nil; err == nil; { // until the client has noticed
		err = b.Publish(t.Context(), brokers.Message{Queue: "q"})
	}
	if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); !brokers.Definite(err) {
		t.Errorf("publish to a server that is gone: %v, want a Definite error", err)
	}
	l, err := net.Listen("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	again := Serve(l, New())
	defer again.Close()
	send(t, b, "q", 1)
	ready, _, err := b.(brokers.Inspector).Depth(t.Context(), "q")
	if err != nil || ready != 1 {
		t.Errorf("after the restart the queue holds %d, %v; want what was published since", ready, err)
	}
}

func TestPortTaken(t *testing.T) {
	s, _ := serve(t)
	addr := s.listener.Addr().(*net.TCPAddr)
	_, err := Driver.Server.Embedded(t.Context(), brokers.Launch{Host: "127.0.0.1", Port: addr.Port})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte(s.Addr())) {
		t.Errorf("starting where another listens: %v, want an error that names the address", err)
	}
}

func TestBadURLs(t *testing.T) {
	for _, url := range []string{"", "redis://127.0.0.1:1", "memory://127.0.0.1", "memory://\x00:1"} {
		if _, err := Driver.Open(t.Context(), url, Driver.Variants[0]); !brokers.Definite(err) {
			t.Errorf("open %q: %v, want a Definite error", url, err)
		}
	}
}

// A server that does not read holds its clients up, but lets them go when their contexts end.
func TestFullOutboxKeepsDeadlines(t *testing.T) {
	o := newOutbox()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := o.put(ctx, kindPublish, 1, make([]byte, backlog/4))
		cancel()
		if err != nil {
			if !brokers.Definite(err) {
				t.Errorf("a frame that was never sent: %v, want a Definite error", err)
			}
			break
		}
	}
	held := make(chan error, 1)
	go func() { held <- o.put(t.Context(), kindPublish, 1) }()
	o.shut(net.ErrClosed)
	if err := <-held; !brokers.Definite(err) {
		t.Errorf("a frame that waited when the link ended: %v, want a Definite error", err)
	}
}
