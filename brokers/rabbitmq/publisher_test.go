package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"taskbench/brokers"
)

func TestPublishTellsWhatIsKnown(t *testing.T) {
	for outcome, want := range map[string]struct{ ok, definite bool }{
		"ack":    {ok: true},
		"return": {definite: true},
		"nack":   {},
		"cut":    {},
		"close":  {},
	} {
		t.Run(outcome, func(t *testing.T) {
			s := newServer(t)
			s.set(func(publishing) string { return outcome })
			b := s.open(t)
			err := b.Publish(t.Context(), brokers.Message{Queue: "q", Body: []byte("x")})
			if (err == nil) != want.ok || err != nil && brokers.Definite(err) != want.definite {
				t.Errorf("got %v (Definite %v)", err, brokers.Definite(err))
			}
			if n := len(s.published()); n != 1 {
				t.Errorf("the message was sent %d times", n)
			}
			s.set(func(publishing) string { return "ack" })
			if err := b.Publish(t.Context(), brokers.Message{Queue: "q"}); err != nil {
				t.Errorf("and the next one: %v", err)
			}
		})
	}
}

// Each of many concurrent publishes gets its own outcome, and no other's.
func TestReturnsFindTheirPublish(t *testing.T) {
	s := newServer(t)
	s.set(func(p publishing) string {
		if strings.HasPrefix(p.queue, "gone") {
			return "return"
		}
		return "ack"
	})
	b := s.open(t)
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			queue := fmt.Sprintf("q%d", i%3)
			if i%3 == 0 {
				queue = "gone"
			}
			err := b.Publish(t.Context(), brokers.Message{Queue: queue, Body: []byte("x")})
			if gone := queue == "gone"; gone != brokers.Definite(err) || gone != (err != nil) {
				t.Errorf("publish to %s: %v", queue, err)
			}
		})
	}
	wg.Wait()
	errs := b.(brokers.Batcher).PublishBatch(t.Context(), []brokers.Message{{Queue: "q0"}, {Queue: "gone"}, {Queue: "q0", Headers: map[string]any{"h": make(chan int)}}, {Queue: "q1"}})
	if errs[0] != nil || !brokers.Definite(errs[1]) || !brokers.Definite(errs[2]) || errs[3] != nil {
		t.Errorf("batch: %v", errs)
	}
}

func TestSilenceEndsWithTheDeadline(t *testing.T) {
	s := newServer(t)
	s.set(func(publishing) string { return "" })
	b := s.open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := b.Publish(ctx, brokers.Message{Queue: "q"})
	if !errors.Is(err, context.DeadlineExceeded) || brokers.Definite(err) {
		t.Errorf("got %v (Definite %v), want a deadline and that nobody knows", err, brokers.Definite(err))
	}
}

// blocked is a server that has told a broker that it reads no more, as one does that is short of memory or disk.
func blocked(t *testing.T) (*server, brokers.Broker) {
	t.Helper()
	s := newServer(t)
	s.set(func(publishing) string { return "ack" })
	b := s.open(t)
	s.say(nil, 1, 0, method(10, 60, short("low on memory"))) // connection.blocked
	until(t, func() bool {
		p, err := b.(*broker).publishes.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		select {
		case <-p.opened:
			return false
		default:
			return true
		}
	})
	return s, b
}

func TestBlockedPublishersSendNothing(t *testing.T) {
	s, b := blocked(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := b.Publish(ctx, brokers.Message{Queue: "q"}); !brokers.Definite(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while blocked: %v, want a Definite deadline", err)
	}
	if n := len(s.published()); n != 0 {
		t.Errorf("%d messages were sent to a server that reads none", n)
	}
	done := make(chan error, 1)
	go func() { done <- b.Publish(t.Context(), brokers.Message{Queue: "q"}) }()
	s.say(nil, 1, 0, method(10, 61)) // connection.unblocked
	if err := <-done; err != nil {
		t.Errorf("once unblocked: %v", err)
	}
}

// until waits for a condition.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came to hold")
		}
	}
}

func TestOpenIsRefusedAtOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "amqp://" + l.Addr().String() + "/"
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := open(ctx, url, Driver.Variants[0]); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that says nothing: %v, want a deadline", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t.Context(), url, Driver.Variants[0]); !brokers.Definite(err) {
		t.Errorf("no server: %v, want a Definite error", err)
	}
	if _, err := open(t.Context(), "amqp:// nonsense", Driver.Variants[0]); !brokers.Definite(err) {
		t.Errorf("no URL: %v, want a Definite error", err)
	}
}

// A quorum queue that was made a moment ago is not yet safe from a crash, so nothing is confirmed in it.
func TestYoungQueuesWait(t *testing.T) {
	var b births
	b.note("young")
	if err := b.wait(t.Context(), "old"); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.wait(ctx, "young"); !brokers.Definite(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want to wait longer than the deadline", err)
	}
	b.at["young"] = time.Now().Add(-infancy)
	if err := b.wait(t.Context(), "young"); err != nil || len(b.at) != 0 {
		t.Errorf("grown up: %v, %d still noted", err, len(b.at))
	}
}

func TestAbsent(t *testing.T) {
	if !absent(fmt.Errorf("count: %w", &amqp.Error{Code: amqp.NotFound})) || absent(&amqp.Error{Code: amqp.PreconditionFailed}) || absent(nil) {
		t.Error("a missing queue is not told from other refusals")
	}
}
