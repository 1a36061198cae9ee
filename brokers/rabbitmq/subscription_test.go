package rabbitmq

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"taskbench/brokers"
	"taskbench/brokers/servertest"
)

func consume(t *testing.T, s *server) brokers.Consumer {
	t.Helper()
	c, err := s.open(t).Consume(t.Context(), []string{"q"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func next(t *testing.T, c brokers.Consumer) brokers.Delivery {
	t.Helper()
	return servertest.Next(t, c, 5*time.Second)
}

// One integer of py-amqp's used to end the connection, and every connection after it.
func TestPythonsIntegersAreDelivered(t *testing.T) {
	s := newServer(t)
	c := consume(t, s)
	s.deliver(1, withField(t, everyTag("L")), []byte("[[2, 3], {}, {}]"))
	d := next(t, c)
	m := d.Message()
	if m.Headers["L"] != int64(1)<<40 || m.Headers["task"] != "lab.add" || m.Queue != "q" || !d.Redelivered() {
		t.Errorf("got %+v", m)
	}
	if nest, _ := m.Headers["nest"].(map[string]any); nest["z"] != int64(1)<<40 {
		t.Errorf("nested: %v", m.Headers["nest"])
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.settled) == 1 })
	if want := "\x00\x50\x00\x00\x00\x00\x00\x00\x00\x01\x00"; s.settled[0] != want {
		t.Errorf("settled by %q, want the ack of one delivery", s.settled[0])
	}
}

// The copy is stored before the message is given up, and the message kept where the copy was not stored.
func TestRejectedIsCopiedFirst(t *testing.T) {
	for outcome, want := range map[string]string{"ack": "\x00\x50", "nack": "\x00\x78", "return": ""} {
		s := newServer(t)
		s.set(func(publishing) string { return outcome })
		c := consume(t, s)
		s.deliver(1, capturedHeader(t), []byte("body"))
		err := next(t, c).Nack(t.Context(), false)
		if (err == nil) != (outcome == "ack") {
			t.Errorf("%s: %v", outcome, err)
		}
		copies := s.published()
		if len(copies) != 1 || copies[0].queue != brokers.DeadLetterQueue("q") || string(copies[0].body) != "body" {
			t.Errorf("%s: copied as %+v", outcome, copies)
		}
		if want == "" {
			s.mu.Lock()
			if len(s.settled) != 0 {
				t.Errorf("%s: settled by %q", outcome, s.settled)
			}
			s.mu.Unlock()
			continue
		}
		until(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.settled) == 1 })
		if !strings.HasPrefix(s.settled[0], want) {
			t.Errorf("%s: settled by %q", outcome, s.settled[0])
		}
	}
}

func TestLostLinkIsTold(t *testing.T) {
	s := newServer(t)
	c := consume(t, s)
	if c.Err() != nil {
		t.Errorf("while it is well: %v", c.Err())
	}
	s.mu.Lock()
	for conn := range s.links {
		_ = conn.Close() // that is the fault
	}
	s.mu.Unlock()
	select {
	case _, open := <-c.Deliveries():
		if open || c.Err() == nil {
			t.Errorf("open %v, Err %v", open, c.Err())
		}
	case <-time.After(5 * time.Second):
		t.Error("deliveries stay open")
	}
}

func TestCancelledConsumerIsLost(t *testing.T) {
	s := newServer(t)
	c := consume(t, s)
	s.consumer(1, method(60, 30, short("1.0"), "\x01")) // the queue was removed
	select {
	case _, open := <-c.Deliveries():
		if open || c.Err() == nil || !strings.Contains(c.Err().Error(), "removed") {
			t.Errorf("open %v, Err %v", open, c.Err())
		}
	case <-time.After(5 * time.Second):
		t.Error("deliveries stay open")
	}
}

// The server refuses whoever declares a queue otherwise than it is, so ours must be Celery's to the bit.
func TestQueuesAreDeclaredLikeCelerys(t *testing.T) {
	data, err := os.ReadFile("testdata/topology-56.json")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) || !strings.Contains(string(data), `"celery"`) {
		t.Fatal("the capture does not show the queue")
	}
	s := newServer(t)
	consume(t, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	const durable = "\x02" // neither passive, exclusive, auto-delete nor no-wait
	want := "\x00\x00" + short("q") + durable + "\x00\x00\x00\x00"
	for _, d := range s.declared {
		if d != want {
			t.Errorf("declared as %q, want %q", d, want)
		}
	}
	if len(s.declared) == 0 {
		t.Error("nothing was declared")
	}
}
